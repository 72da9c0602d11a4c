// Orders as a table for a spreadsheet: one row per product of an order.

import { minorDigits, type Money } from "../shared/money";
import type { SoldOrder } from "../shared/api";
import { stateWords } from "./sold";

const HEAD = ["Receipt", "Ordered at", "State", "Show", "Quantity", "Product", "Price each", "Currency", "Name", "Line 1", "Line 2", "Postcode", "City", "Region", "Country", "E-mail"];

/** RFC 4180, with the mark by which spreadsheets know that it is UTF-8. */
export function csv(orders: readonly SoldOrder[]): string {
  return "\ufeff" + [HEAD, ...orders.flatMap(rows)].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function rows({ receipt, created_at, state, show, lines, delivery, email }: SoldOrder): string[][] {
  const to = delivery ? [delivery.name, delivery.line1, delivery.line2, delivery.postcode, delivery.city, delivery.region, delivery.country] : Array<string>(7).fill("");
  return lines.map(({ quantity, title, unit }) => [receipt.number, created_at, stateWords(state), show.title, String(quantity), title, decimal(unit), unit.currency, ...to, email]);
}

/** "49.00": no sign of the currency, a point whatever the reader's language writes. */
function decimal({ amount, currency }: Money): string {
  const digits = minorDigits(currency);
  const text = String(Math.abs(amount)).padStart(digits + 1, "0");
  return `${amount < 0 ? "-" : ""}${digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text}`;
}

/** Buyers write names and streets; a spreadsheet must not run them as formulas. */
function cell(text: string): string {
  const safe = /^\s*[=+\-@]|^[\t\r\n]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
