// When something opens: what a person typed in their own time, said back in words, and how long it is until then. Pure.

import { dayAndTime } from "../shared/when";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** The server's bound. */
export const AHEAD_MAX_MS = 365 * DAY;

/** Value for <input type="datetime-local" step="1">, which knows no zone. */
export function toExactInput(at: number): string {
  const shifted = new Date(at - new Date(at).getTimezoneOffset() * MINUTE);
  return shifted.toISOString().slice(0, 19);
}

/** The moment that was typed, or what to mend. `now`: the server's clock. */
export function checkOpening(value: string, now: number): { at: number } | { complaint: string } {
  const at = value ? new Date(value).getTime() : Number.NaN;
  if (Number.isNaN(at)) return { complaint: "Choose a day and a time." };
  if (at <= now) return { complaint: "This moment has passed. Choose a later one, or open it now." };
  if (at - now > AHEAD_MAX_MS) return { complaint: "At most a year ahead." };
  return { at };
}

/** "Central European Standard Time (Europe/Berlin)": the zone in which the input is read at that moment. */
export function zoneWords(at: number, zone?: string): string {
  const options = zone ? { timeZone: zone } : {};
  const format = new Intl.DateTimeFormat("en", { timeZoneName: "long", ...options });
  const name = format.formatToParts(at).find(({ type }) => type === "timeZoneName")?.value ?? "your time zone";
  const place = format.resolvedOptions().timeZone;
  return place && place !== name && place !== "UTC" ? `${name} (${place})` : name;
}

/** "Friday, 27 November 2026 at 18:00:00", in the reader's zone or a given one. */
export function momentWords(at: number, zone?: string): string {
  const options = zone ? { timeZone: zone } : {};
  return new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium", ...options }).format(at);
}

/** "12:04", "1:02:03" below a day, "3 days, 4 h" above. */
export function untilWords(ms: number): string {
  if (ms >= DAY) {
    const days = Math.floor(ms / DAY);
    return `${days} ${days === 1 ? "day" : "days"}, ${Math.floor((ms % DAY) / HOUR)} h`;
  }
  const total = Math.max(0, Math.ceil(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  return `${hours > 0 ? `${hours}:${two(Math.floor(total / 60) % 60)}` : Math.floor(total / 60)}:${two(total % 60)}`;
}

export type Release = { state: "none" } | { state: "waiting"; at: number; in: string; when: string } | { state: "open"; at: number; when: string };

export function releaseOf(opensAt: string | null, now: number): Release {
  if (!opensAt) return { state: "none" };
  const at = Date.parse(opensAt);
  const when = dayAndTime(opensAt, now);
  return at > now ? { state: "waiting", at, in: untilWords(at - now), when } : { state: "open", at, when };
}

/** A round moment to begin with: the show's planned start when it is ahead, else the next full quarter of an hour. */
export function proposal(now: number, startsAt: string | null): number {
  const start = startsAt ? Date.parse(startsAt) : 0;
  const quarter = 15 * MINUTE;
  return start > now + MINUTE ? start : Math.ceil((now + 5 * MINUTE) / quarter) * quarter;
}
