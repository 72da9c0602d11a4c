// What a thing costs when: by the server's clock alone.

import { expect, test } from "@playwright/test";
import { priceAt, turnsOf, type Offer } from "../app/shared/price";

const T = Date.parse("2026-11-25T20:00:00Z");
const at = (seconds: number): string => new Date(T + seconds * 1_000).toISOString();
const eur = (amount: number) => ({ amount, currency: "EUR" });
const flash = (more: object = {}) => ({ id: "fls_1", amount: 2990, starts_at: at(60), ends_at: at(180), cap: 0, ...more });
const offer = (more: Partial<Offer> = {}): Offer => ({ standing: eur(4900), flash: flash(), flashLeft: null, opensAt: null, ...more });
const say = (o: Offer, seconds: number): string => {
  const { unit, was, flash, next, opensAt } = priceAt(o, T + seconds * 1_000);
  return [unit.amount, was && `was ${was.amount}`, flash && "flash", next && "next", opensAt && "closed"].filter(Boolean).join(" ");
};

test("a flash price holds from its start on, and no longer at its end", () => {
  const seen = [0, 59.999, 60, 179.999, 180, 9_999].map((second) => say(offer(), second));
  expect(seen).toEqual(["4900 next", "4900 next", "2990 was 4900 flash", "2990 was 4900 flash", "4900", "4900"]);
});

test("while its clock stands it does not end, and has as long left as it had", () => {
  const waits = offer({ flash: flash({ stands_at: at(150) }) });
  expect([0, 60, 179, 180, 9_999].map((second) => say(waits, second))).toEqual(["4900 next", "2990 was 4900 flash", "2990 was 4900 flash", "2990 was 4900 flash", "2990 was 4900 flash"]);
  expect(priceAt(waits, T + 9_999_000).flash?.stood).toBe(30_000);
  expect(priceAt(offer(), T + 90_000).flash?.stood, "it runs").toBeNull();
  expect(say(offer({ flash: flash({ stands_at: at(150), cap: 5 }), flashLeft: 0 }), 200), "its units end it all the same").toBe("4900");
});

test("a capped one ends with its last unit, and is never counted when it has no cap", () => {
  const capped = (flashLeft: number | null) => offer({ flash: flash({ cap: 20 }), flashLeft });
  expect(say(capped(1), 90)).toBe("2990 was 4900 flash");
  expect(say(capped(0), 90)).toBe("4900");
  expect(say(capped(0), 0), "what is used up is not announced").toBe("4900");
  expect(priceAt(capped(12), T + 90_000).flash?.left).toBe(12);
  expect(priceAt(capped(null), T + 90_000).flash?.left, "not heard yet: no number").toBeNull();
  expect(priceAt(offer({ flashLeft: 0 }), T + 90_000).unit.amount, "a count without a cap belongs to another one").toBe(2990);
});

test("a standing price that fell below it is no bargain struck through", () => {
  expect(priceAt(offer({ standing: eur(2500) }), T + 90_000).was).toBeNull();
});

test("times that cannot be read sell at the standing price", () => {
  expect(say(offer({ flash: flash({ ends_at: "soon" }) }), 90)).toBe("4900");
});

test("a release opens at its time, not a moment before", () => {
  const drop = offer({ flash: null, opensAt: at(42) });
  expect([0, 41.999, 42, 43].map((second) => say(drop, second))).toEqual(["4900 closed", "4900 closed", "4900", "4900"]);
  expect(say(offer({ flash: null, opensAt: "soon" }), 0)).toBe("4900");
});

test("the times at which it changes by itself", () => {
  const both = offer({ opensAt: at(30) });
  expect(turnsOf(both, T).sort()).toEqual([T + 30_000, T + 60_000, T + 180_000]);
  expect(turnsOf(both, T + 60_000)).toEqual([T + 180_000]);
  expect(turnsOf(offer({ flash: null }), T)).toEqual([]);
});
