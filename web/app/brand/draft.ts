// A product as its brand typed it, and whether it can be saved. Pure, so that each rule has a test.

import type { BrandProduct } from "../shared/api";
import { newId } from "../shared/ids";
import { minorDigits, parseMoney, type Money } from "../shared/money";

export const TITLE_LIMIT = 120;
export const DESCRIPTION_LIMIT = 2_000;
export const VARIANT_TITLE_LIMIT = 80;
export const VARIANTS_LIMIT = 50;
/** The server's own bounds decide; these only save a round trip. */
export const PRICE_LIMIT = 100_000_000;

export interface TypedVariant {
  id: string;
  title: string;
  price: string;
  /** Known to the server: it stays, whatever the page leaves out. */
  saved: boolean;
}

export interface TypedProduct {
  title: string;
  description: string;
  image: string;
  variants: TypedVariant[];
}

export interface Draft {
  title: string;
  description: string;
  image: string;
  variants: { id: string; title: string; price: Money }[];
}

/** What to mend, by the field's name: "title", "description", "price <variant>", "name <variant>". */
export type Complaints = Record<string, string>;

export const newVariant = (): TypedVariant => ({ id: newId("var"), title: "", price: "", saved: false });

export function typedFrom(product: BrandProduct | null): TypedProduct {
  if (!product) return { title: "", description: "", image: "", variants: [newVariant()] };
  const { title, description, image } = product;
  return { title, description, image, variants: product.variants.map(({ id, title, price }) => ({ id, title, price: plain(price), saved: true })) };
}

/** "49.00" for an input; the currency stands beside it. */
function plain({ amount, currency }: Money): string {
  const digits = minorDigits(currency);
  if (digits === 0) return String(amount);
  const text = String(amount).padStart(digits + 1, "0");
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** Either a draft to save or what to mend, never both. */
export function checkProduct(typed: TypedProduct, currency: string): { draft: Draft } | { complaints: Complaints } {
  const complaints: Complaints = {};
  const title = typed.title.trim();
  const description = typed.description.trim();
  if (!title) complaints.title = "Give it a name viewers will recognise.";
  else if (title.length > TITLE_LIMIT) complaints.title = `At most ${TITLE_LIMIT} characters.`;
  if (description.length > DESCRIPTION_LIMIT) complaints.description = `At most ${DESCRIPTION_LIMIT.toLocaleString("en")} characters.`;
  const names = new Set<string>();
  const variants = typed.variants.map((variant) => {
    const name = variant.title.trim();
    const key = name.toLowerCase();
    if (typed.variants.length > 1 && !name) complaints[`name ${variant.id}`] = "Say what tells it from the others.";
    else if (typed.variants.length > 1 && names.has(key)) complaints[`name ${variant.id}`] = "There is one of this name already.";
    else if (name.length > VARIANT_TITLE_LIMIT) complaints[`name ${variant.id}`] = `At most ${VARIANT_TITLE_LIMIT} characters.`;
    names.add(key);
    const amount = parseMoney(variant.price, currency);
    if (amount === null) complaints[`price ${variant.id}`] = "An amount like 49.00.";
    else if (amount === 0) complaints[`price ${variant.id}`] = "More than zero.";
    else if (amount > PRICE_LIMIT) complaints[`price ${variant.id}`] = "That is more than a product may cost here.";
    return { id: variant.id, title: name, price: { amount: amount ?? 0, currency } };
  });
  if (Object.keys(complaints).length > 0) return { complaints };
  return { draft: { title, description, image: typed.image, variants } };
}

/** A number of units as typed, or what to mend. */
export function checkUnits(text: string): { units: number } | { complaint: string } {
  if (!/^\d{1,7}$/.test(text.trim())) return { complaint: "A whole number, 0 or more." };
  const units = Number(text);
  return units <= 1_000_000 ? { units } : { complaint: "At most 1,000,000." };
}
