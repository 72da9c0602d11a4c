// Why a bank said no, and what else can go wrong between Pay and the receipt, in words that say what to do next.

import type { Hold, Product } from "../../shared/api";
import { ApiError } from "../../shared/http";

/** By the provider's stable word. What a thief must not learn (lost, stolen) is left out: "no" is all that is said. */
const DECLINES: Record<string, string> = {
  insufficient_funds: "There is not enough money on this card.",
  expired_card: "This card has expired.",
  incorrect_cvc: "The security code does not belong to this card.",
  invalid_cvc: "The security code does not belong to this card.",
  incorrect_number: "The number is not of a card.",
  invalid_expiry_month: "The date does not belong to this card.",
  invalid_expiry_year: "The date does not belong to this card.",
  card_velocity_exceeded: "The card's limit is reached.",
  withdrawal_count_limit_exceeded: "The card's limit is reached.",
  card_not_supported: "The card cannot be used for this.",
  currency_not_supported: "The card does not pay in this currency.",
  authentication_required: "It was not confirmed that it is you.",
  authentication_failed: "It was not confirmed that it is you.",
  processing_error: "It could not be worked on just now.",
  not_a_testcard: "Only test cards pay here: no real card is ever charged.",
};

/** The product as a purchase speaks of it: a hold of several things is named by all of them. */
export function goodsOf(product: Product, hold: Hold | null): Product {
  return hold?.lines ? { ...product, title: new Intl.ListFormat("en").format(hold.lines.map((line) => line.title)) } : product;
}

export function declineWords(reason: unknown): string {
  return (typeof reason === "string" && DECLINES[reason]) || "";
}

/** Which field of the details a refusal is about, and what to say there. */
export function fieldErrors(problem: ApiError | null, country: string): Record<string, string> | null {
  const fields = Object.entries((problem?.problem.fields ?? {}) as Record<string, unknown>).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  switch (problem?.code) {
    case "address_invalid":
    case "region_needed":
      if (fields.length > 0) return Object.fromEntries(fields);
      return problem.code === "region_needed" ? { region: "Choose one: taxes differ by it" } : { line1: problem.message };
    case "delivery_unavailable":
      return { country: `We do not deliver to ${country} yet` };
    case "email_invalid":
      return { email: problem.message };
    case "name_invalid":
      return { name: problem.message };
  }
  return null;
}
