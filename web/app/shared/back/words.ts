// Times and states as people say them.

import { ApiError } from "../api";

/** 12:31, and 1:02:03 from the first hour on. Never negative: a clock that is off by a second shows 00:00. */
export function elapsed(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  const rest = `${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** Value for <input type="datetime-local">, which knows no zone. */
export function toLocalInput(date: Date): string {
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

export function fromLocalInput(value: string): string | null {
  const date = new Date(value);
  return value && !Number.isNaN(date.getTime()) ? date.toISOString() : null;
}

/** What to put on the page for a failed call: the server's own words when it said some. */
export function words(error: unknown): string {
  return error instanceof ApiError ? error.message : "Something on this page went wrong. Reload it, and try again.";
}
