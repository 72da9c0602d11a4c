// Amounts are whole minor units with their currency, as the server sends them. Nothing here multiplies or divides money.

import type { Schemas } from "./api.gen";

export type Money = Schemas["Amount"];

const formats = new Map<string, Intl.NumberFormat>();

function format(currency: string): Intl.NumberFormat {
  let found = formats.get(currency);
  if (!found) {
    found = new Intl.NumberFormat(undefined, { style: "currency", currency });
    formats.set(currency, found);
  }
  return found;
}

/** How many digits the currency has after the point: 2 for EUR, 0 for JPY. */
export function minorDigits(currency: string): number {
  return format(currency).resolvedOptions().maximumFractionDigits ?? 2;
}

/** "€49.00" in the reader's own way of writing it. */
export function formatMoney({ amount, currency }: Money): string {
  const digits = minorDigits(currency);
  const whole = Math.trunc(Math.abs(amount) / 10 ** digits);
  const rest = Math.abs(amount) % 10 ** digits;
  // Assembled as text: a division would round amounts beyond 2^53 / 100 by a cent.
  const text = `${amount < 0 ? "-" : ""}${whole}${digits ? `.${String(rest).padStart(digits, "0")}` : ""}`;
  return format(currency).format(text as unknown as number);
}

/** What a person typed ("49", "49.9", "49,90") as minor units, or null when it is no amount of this currency. */
export function parseMoney(text: string, currency: string): number | null {
  const digits = minorDigits(currency);
  const match = /^(\d{1,9})(?:[.,](\d+))?$/.exec(text.trim());
  if (!match?.[1]) return null;
  const fraction = match[2] ?? "";
  if (fraction.length > digits) return null;
  return Number(match[1]) * 10 ** digits + Number(fraction.padEnd(digits, "0") || "0");
}
