// A product as typed, and whether it can be saved. Pure, so that each rule has a test.

import { parseMoney, type Money } from "../shared/money";

/** What PUT …/products/{id} takes. */
export interface ProductDraft {
  title: string;
  description: string;
  price: Money;
  stock: number;
  variant: string;
}

export interface Typed {
  title: string;
  description: string;
  price: string;
  stock: string;
}

export type Complaints = Partial<Record<keyof Typed, string>>;

export const TITLE_LIMIT = 120;
export const DESCRIPTION_LIMIT = 2_000;
/** The server's own bounds decide; these only save a round trip. */
export const PRICE_LIMIT = 100_000_000;
export const STOCK_LIMIT = 1_000_000;

/** Either a draft to save or what to mend, never both. */
export function check(typed: Typed, currency: string, variant: string): { draft: ProductDraft } | { complaints: Complaints } {
  const complaints: Complaints = {};
  const title = typed.title.trim();
  const description = typed.description.trim();
  const amount = parseMoney(typed.price, currency);
  const stock = /^\d{1,7}$/.test(typed.stock.trim()) ? Number(typed.stock) : null;
  if (!title) complaints.title = "Give it a name viewers will recognise.";
  else if (title.length > TITLE_LIMIT) complaints.title = `At most ${TITLE_LIMIT} characters.`;
  if (description.length > DESCRIPTION_LIMIT) complaints.description = `At most ${DESCRIPTION_LIMIT.toLocaleString("en")} characters.`;
  if (amount === null) complaints.price = "An amount like 49.00.";
  else if (amount === 0) complaints.price = "More than zero.";
  else if (amount > PRICE_LIMIT) complaints.price = "That is more than a product may cost here.";
  if (stock === null) complaints.stock = "A whole number, 0 or more.";
  else if (stock > STOCK_LIMIT) complaints.stock = `At most ${STOCK_LIMIT.toLocaleString("en")}.`;
  if (amount === null || stock === null || Object.keys(complaints).length > 0) return { complaints };
  return { draft: { title, description, price: { amount, currency }, stock, variant } };
}
