// Flash prices as the creator plans them: how much less, for how long. Pure, so that each rule has a test.

import type { Product, Variant } from "../shared/api";
import type { FlashPrice } from "../shared/events";
import { formatMoney, parseMoney } from "../shared/money";

export interface Preset {
  /** The key that sets it. */
  key: string;
  percent: number;
  lastsS: number;
}

export const PRESETS: readonly Preset[] = [
  { key: "1", percent: 10, lastsS: 60 },
  { key: "2", percent: 20, lastsS: 120 },
  { key: "3", percent: 30, lastsS: 300 },
];

/** The server's bounds. */
export const LASTS_MIN_S = 10;
export const LASTS_MAX_S = 86_400;
export const AHEAD_MAX_S = 86_400;
export const CAP_LIMIT = 1_000_000;

/**
 * The price with `percent` off, in whole minor units. Rounded down, so that nobody gets less off than was promised; never
 * less than 1, and null when nothing lower than the standing price is left.
 */
export function discounted(amount: number, percent: number): number | null {
  const less = Math.max(1, Math.floor((amount * (100 - percent)) / 100));
  return less < amount ? less : null;
}

/** ahead: not begun; on: this is the price; gone: in time, but every unit at this price is taken; over: its time has passed. */
export type FlashPhase = "ahead" | "on" | "gone" | "over";

/** `left`: units still to be had at the flash price, null when there is no cap. `now`: the server's clock, Unix ms. */
export function flashPhase({ starts_at, ends_at, stands_at }: FlashPrice, left: number | null, now: number): FlashPhase {
  if (now >= Date.parse(ends_at) && !stands_at) return "over";
  if (now < Date.parse(starts_at)) return "ahead";
  return left === 0 ? "gone" : "on";
}

/** Milliseconds until the phase changes by the clock alone; 0 when it will not any more. */
export function untilTurn({ starts_at, ends_at }: FlashPrice, now: number): number {
  const start = Date.parse(starts_at) - now;
  return Math.max(0, start > 0 ? start : Date.parse(ends_at) - now);
}

export interface Step {
  variant: string;
  amount: number;
}

/** Variants of a product that this show sells: a brand may have stocked some of them only. */
export function inShow({ variants }: Product): Variant[] {
  return variants.filter(({ pool }) => pool !== null);
}

/** What a preset makes of a product: one price for each variant that can be had for less. */
export function presetSteps(product: Product, { percent }: Preset): Step[] {
  return inShow(product).flatMap(({ id, price }) => {
    const amount = discounted(price.amount, percent);
    return amount === null ? [] : [{ variant: id, amount }];
  });
}

export interface Typed {
  /** "" for every variant, else one of them. */
  variant: string;
  price: string;
  lastsS: string;
  /** "" and "0": now. */
  startsInS: string;
  /** "" and "0": no cap. */
  cap: string;
}

export interface Plan {
  steps: Step[];
  lastsS: number;
  startsInS: number;
  cap: number;
}

export type Complaints = Partial<Record<keyof Typed, string>>;

/** Either a plan to send or what to mend, never both. */
export function planTyped(typed: Typed, product: Product): { plan: Plan } | { complaints: Complaints } {
  const complaints: Complaints = {};
  const variants = inShow(product).filter(({ id }) => typed.variant === "" || id === typed.variant);
  const currency = variants[0]?.price.currency ?? "EUR";
  const amount = parseMoney(typed.price, currency);
  const highest = variants.reduce<Variant | null>((top, each) => (top && top.price.amount >= each.price.amount ? top : each), null);
  if (amount === null) complaints.price = "An amount like 29.90.";
  else if (amount < 1) complaints.price = "More than zero.";
  else if (!highest || amount >= highest.price.amount) complaints.price = highest ? `Less than ${formatMoney(highest.price)}, the standing price.` : "This product has nothing to sell.";
  const lastsS = whole(typed.lastsS, 0, LASTS_MAX_S);
  if (lastsS === null || lastsS < LASTS_MIN_S) complaints.lastsS = `${LASTS_MIN_S} seconds to 24 hours.`;
  const startsInS = whole(typed.startsInS || "0", 0, AHEAD_MAX_S);
  if (startsInS === null) complaints.startsInS = "Seconds from now, at most a day. 0 is now.";
  const cap = whole(typed.cap || "0", 0, CAP_LIMIT);
  if (cap === null) complaints.cap = `A whole number, at most ${CAP_LIMIT.toLocaleString("en")}.`;
  if (amount === null || lastsS === null || startsInS === null || cap === null || Object.keys(complaints).length > 0) return { complaints };
  const steps = variants.filter(({ price }) => amount < price.amount).map(({ id }) => ({ variant: id, amount }));
  return { plan: { steps, lastsS, startsInS, cap } };
}

function whole(text: string, min: number, max: number): number | null {
  if (!/^\d{1,7}$/.test(text.trim())) return null;
  const value = Number(text);
  return value >= min && value <= max ? value : null;
}

export interface Running {
  phase: Exclude<FlashPhase, "over">;
  variants: Variant[];
  /** Lowest price while it holds. */
  amount: number;
  /** What that variant costs otherwise. */
  standing: number;
  currency: string;
  /** Units still to be had at it, over all variants; null without a cap. */
  left: number | null;
  /** Until it starts, or ends, ms. */
  turnMs: number;
}

/** The flash price of a product as one line says it: the one that holds, else the next to begin; null when there is none. */
export function runningOf(product: Product, now: number): Running | null {
  const found = product.variants.flatMap((variant) => {
    const phase = variant.flash ? flashPhase(variant.flash, variant.flash.left, now) : "over";
    return variant.flash && phase !== "over" ? [{ variant, flash: variant.flash, phase }] : [];
  });
  for (const phase of ["on", "ahead", "gone"] as const) {
    const these = found.filter((each) => each.phase === phase).sort((a, b) => a.flash.amount - b.flash.amount);
    const first = these[0];
    if (!first) continue;
    const turns = these.map(({ flash }) => untilTurn(flash, now));
    return {
      phase,
      variants: found.map(({ variant }) => variant),
      amount: first.flash.amount,
      standing: first.variant.price.amount,
      currency: first.variant.price.currency,
      left: these.some(({ flash }) => flash.left === null) ? null : these.reduce((sum, { flash }) => sum + (flash.left ?? 0), 0),
      turnMs: phase === "ahead" ? Math.min(...turns) : Math.max(...turns),
    };
  }
  return null;
}

/** "1 min", "90 s", "2 h". */
export function spanWords(seconds: number): string {
  if (seconds % 3600 === 0 && seconds > 0) return `${seconds / 3600} h`;
  return seconds % 60 === 0 && seconds > 0 ? `${seconds / 60} min` : `${seconds} s`;
}
