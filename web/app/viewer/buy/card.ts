// Card fields: how they are written, and what can be said about them before the bank is asked.

import type { Card } from "../../shared/api";

export const MAX_DIGITS = 19;

export function digitsOf(text: string): string {
  return text.replace(/\D/g, "").slice(0, MAX_DIGITS);
}

/** "4242 4242 4242 4242"; American Express cards are printed 4-6-5. */
export function groupNumber(text: string): string {
  const digits = digitsOf(text);
  if (/^3[47]/.test(digits)) return [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10, 15)].filter(Boolean).join(" ");
  return digits.replace(/(.{4})(?=.)/g, "$1 ");
}

/** "1227" and "12/27" become "12 / 27"; a lone "4" can only be April. */
export function groupExpiry(text: string, before: string): string {
  let digits = text.replace(/\D/g, "");
  // Autofill writes four digits of year.
  if (/^\d{2}20\d{2}$/.test(digits)) digits = digits.slice(0, 2) + digits.slice(4);
  digits = digits.slice(0, 4);
  if (/^[2-9]$/.test(digits)) digits = `0${digits}`;
  // Deleting the slash must not bring it back.
  if (digits.length === 2 && before.length > text.length) return digits;
  return digits.length >= 2 ? `${digits.slice(0, 2)} / ${digits.slice(2)}` : digits;
}

export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    let digit = Number(digits[digits.length - 1 - i]);
    if (i % 2 === 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 === 0;
}

export interface CardForm {
  number: string;
  expiry: string;
  cvc: string;
}

export type CardErrors = Partial<Record<keyof CardForm, string>>;

/** What is certainly wrong, in words; the bank judges the rest. `now` is the server's time. */
export function checkCard(form: CardForm, now: number): CardErrors {
  const errors: CardErrors = {};
  const digits = digitsOf(form.number);
  if (digits.length < 12) errors.number = "The long number on the front of the card";
  else if (!passesLuhn(digits)) errors.number = "A digit is wrong or missing; please compare with your card";
  const expiry = expiryOf(form.expiry);
  if (!expiry) errors.expiry = "Month and year, like 12 / 27";
  else if (Date.UTC(expiry.year, expiry.month, 1) <= now) errors.expiry = "This card has expired";
  if (!/^\d{3,4}$/.test(form.cvc.trim())) errors.cvc = "3 or 4 digits";
  return errors;
}

function expiryOf(text: string): { month: number; year: number } | null {
  const digits = text.replace(/\D/g, "");
  const month = Number(digits.slice(0, 2));
  if (digits.length !== 4 || month < 1 || month > 12) return null;
  return { month, year: 2000 + Number(digits.slice(2)) };
}

export function cardOf(form: CardForm): Card {
  const expiry = expiryOf(form.expiry);
  return { number: digitsOf(form.number), exp_month: expiry?.month ?? 0, exp_year: expiry?.year ?? 0, cvc: form.cvc.trim() };
}
