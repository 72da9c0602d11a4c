// What a thing costs at a moment of the server's clock: its standing price, and a flash price over it for a while.

import type { FlashPrice } from "./events";
import type { Money } from "./money";

/** All that is known of a variant's sale; times are still the texts of the wire. */
export interface Offer {
  standing: Money;
  flash: FlashPrice | null;
  /** Units still to be had at the flash price; null when it is not capped. */
  flashLeft: number | null;
  /** A timed release. */
  opensAt: string | null;
}

export interface Flash {
  unit: Money;
  /** Milliseconds on the server's clock. */
  startsAt: number;
  /** Infinity while its clock stands. */
  endsAt: number;
  /** How long it has left while its clock stands, because the creator is off the air; null: it runs. */
  stood: number | null;
  /** null: as many as there are. */
  left: number | null;
}

/** An offer at one moment. */
export interface Price {
  /** What one unit costs now. */
  unit: Money;
  /** The standing price, while a flash price is below it. */
  was: Money | null;
  /** The flash price that holds now. */
  flash: Flash | null;
  /** One that has been announced and has not begun. */
  next: Flash | null;
  /** When the sale opens, while it has not. */
  opensAt: number | null;
}

/** `now` is the server's time. A price holds from its start on, and no longer at its end. */
export function priceAt({ standing, flash: announced, flashLeft, opensAt }: Offer, now: number): Price {
  const flash = announced && read(announced, flashLeft, standing.currency);
  const opens = opensAt === null ? NaN : Date.parse(opensAt);
  const closed = opens > now ? opens : null;
  const usable = flash && flash.left !== 0 && flash.endsAt > now ? flash : null;
  if (!usable) return { unit: standing, was: null, flash: null, next: null, opensAt: closed };
  if (usable.startsAt > now) return { unit: standing, was: null, flash: null, next: usable, opensAt: closed };
  return { unit: usable.unit, was: usable.unit.amount < standing.amount ? standing : null, flash: usable, next: null, opensAt: closed };
}

/** Times after `now` at which priceAt() changes by itself. */
export function turnsOf({ flash, opensAt }: Offer, now: number): number[] {
  const times = [flash?.starts_at, flash?.ends_at, opensAt].map((text) => (text ? Date.parse(text) : NaN));
  return times.filter((time) => time > now);
}

function read({ amount, starts_at, ends_at, stands_at, cap }: FlashPrice, left: number | null, currency: string): Flash | null {
  const startsAt = Date.parse(starts_at);
  const endsAt = Date.parse(ends_at);
  if (!Number.isFinite(startsAt) || !Number.isFinite(endsAt)) return null;
  const stood = stands_at ? endsAt - Date.parse(stands_at) : null;
  return { unit: { amount, currency }, startsAt, endsAt: stood === null ? endsAt : Infinity, stood, left: cap > 0 ? left : null };
}
