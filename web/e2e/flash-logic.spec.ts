// Flash prices and releases as judgements, each without a page: what a percentage makes, what can be planned, what is said when.

import { expect, test } from "@playwright/test";
import type { Product } from "../app/shared/api";
import { discounted, flashPhase, planTyped, presetSteps, PRESETS, runningOf, spanWords, untilTurn, type Typed } from "../app/studio/flash";
import { checkProduct, checkUnits, newVariant, typedFrom, VARIANTS_LIMIT, type TypedProduct } from "../app/brand/draft";
import { AHEAD_MAX_MS, checkOpening, momentWords, proposal, releaseOf, toExactInput, untilWords, zoneWords } from "../app/brand/release";
import { catalog } from "./fixtures/kitchen";

const NOW = Date.parse("2026-11-25T12:00:00Z");
const at = (seconds: number): string => new Date(NOW + seconds * 1000).toISOString();
const flash = (from: number, to: number, more: { amount?: number; cap?: number; left?: number | null } = {}) => ({ id: "fls_1", amount: 2990, starts_at: at(from), ends_at: at(to), cap: 0, left: null, ...more });

const pan = (amounts: number[], flashes: ReturnType<typeof flash>[] = []): Product => {
  const [product] = catalog().products;
  const [variant] = product!.variants;
  return { ...product!, variants: amounts.map((amount, i) => ({ ...variant!, id: `var_${i}`, title: `${i}`, price: { amount, currency: "EUR" }, flash: flashes[i] ?? null })) };
};

test("a percentage off is never less than promised, never zero, never nothing", () => {
  for (const [amount, percent, want] of [[4900, 10, 4410], [2850, 10, 2565], [999, 20, 799], [999, 30, 699], [3, 10, 2], [2, 30, 1], [1, 30, null], [100_000_000, 10, 90_000_000]] as const)
    expect(discounted(amount, percent), `${percent} % off ${amount}`).toBe(want);
  for (let amount = 2; amount < 3_000; amount += 7)
    for (const { percent } of PRESETS) {
      const less = discounted(amount, percent)!;
      expect(less >= 1 && less < amount && less * 100 <= Math.max(100, amount * (100 - percent)), `${percent} % off ${amount}: ${less}`).toBe(true);
    }
});

test("a preset gives each variant a price of its own, and leaves out what cannot cost less", () => {
  expect(presetSteps(pan([4900, 5900, 1]), PRESETS[1]!)).toEqual([{ variant: "var_0", amount: 3920 }, { variant: "var_1", amount: 4720 }]);
  expect(presetSteps(pan([1]), PRESETS[2]!)).toEqual([]);
  const partly = pan([4900, 5900]);
  partly.variants[1] = { ...partly.variants[1]!, pool: null };
  expect(presetSteps(partly, PRESETS[0]!), "what this show has none of").toEqual([{ variant: "var_0", amount: 4410 }]);
});

test("what is typed is a plan, or says what to mend, at each limit and one past it", () => {
  const typed: Typed = { variant: "", price: "29,90", lastsS: "120", startsInS: "", cap: "" };
  const of = (more: Partial<Typed>, product = pan([4900])) => planTyped({ ...typed, ...more }, product);
  const wrong = (more: Partial<Typed>) => {
    const result = of(more);
    return "complaints" in result ? Object.keys(result.complaints) : [];
  };
  expect(of({})).toEqual({ plan: { steps: [{ variant: "var_0", amount: 2990 }], lastsS: 120, startsInS: 0, cap: 0 } });
  expect(of({ startsInS: "30", cap: "5" })).toMatchObject({ plan: { startsInS: 30, cap: 5 } });
  expect([wrong({ price: "48.99" }), wrong({ price: "49.00" }), wrong({ price: "0.01" }), wrong({ price: "0" }), wrong({ price: "cheap" })]).toEqual([[], ["price"], [], ["price"], ["price"]]);
  expect([wrong({ lastsS: "10" }), wrong({ lastsS: "9" }), wrong({ lastsS: "86400" }), wrong({ lastsS: "86401" })]).toEqual([[], ["lastsS"], [], ["lastsS"]]);
  expect([wrong({ startsInS: "86400" }), wrong({ startsInS: "86401" }), wrong({ startsInS: "-1" })]).toEqual([[], ["startsInS"], ["startsInS"]]);
  expect([wrong({ cap: "1000000" }), wrong({ cap: "1000001" }), wrong({ cap: "1.5" })]).toEqual([[], ["cap"], ["cap"]]);
  const two = pan([4900, 2500]);
  expect(of({}, two), "a variant that costs less already is left alone").toMatchObject({ plan: { steps: [{ variant: "var_0" }] } });
  expect("complaints" in of({ variant: "var_1" }, two)).toBe(true);
});

test("a flash price is ahead, on, gone or over by the server's clock alone", () => {
  const offer = flash(10, 70);
  expect([0, 9.999, 10, 69.999, 70, 1e6].map((s) => flashPhase(offer, null, NOW + s * 1000))).toEqual(["ahead", "ahead", "on", "on", "over", "over"]);
  expect(flashPhase(offer, 0, NOW + 20_000)).toBe("gone");
  expect(flashPhase(offer, 1, NOW + 20_000)).toBe("on");
  expect(flashPhase({ ...offer, stands_at: at(60) }, 1, NOW + 80_000), "its clock stands").toBe("on");
  expect([0, 10, 70, 90].map((s) => untilTurn(offer, NOW + s * 1000))).toEqual([10_000, 60_000, 0, 0]);
});

test("a row tells of the price that holds, else of the next one, and of none that is over", () => {
  expect(runningOf(pan([4900]), NOW)).toBeNull();
  expect(runningOf(pan([4900], [flash(-60, 0)]), NOW)).toBeNull();
  expect(runningOf(pan([4900], [flash(-60, 30, { cap: 5, left: 2 })]), NOW)).toMatchObject({ phase: "on", amount: 2990, standing: 4900, left: 2, turnMs: 30_000 });
  const both = pan([4900, 5900], [flash(20, 80), flash(-5, 60, { amount: 3900, cap: 4, left: 3 })]);
  expect(runningOf(both, NOW)).toMatchObject({ phase: "on", amount: 3900, standing: 5900, left: 3 });
  expect(runningOf(both, NOW)!.variants).toHaveLength(2);
  expect(runningOf(pan([4900], [flash(20, 80)]), NOW)).toMatchObject({ phase: "ahead", turnMs: 20_000 });
  expect(runningOf(pan([4900], [flash(-5, 80, { cap: 2, left: 0 })]), NOW)).toMatchObject({ phase: "gone" });
});

test("spans as people say them", () => {
  expect([30, 60, 90, 300, 3600, 7200].map(spanWords)).toEqual(["30 s", "1 min", "90 s", "5 min", "1 h", "2 h"]);
  expect([-5, 0, 1, 59_001, 3_599_001, 86_399_999, 86_400_000, 2 * 86_400_000 + 3 * 3_600_000].map(untilWords)).toEqual(["0:00", "0:00", "0:01", "1:00", "1:00:00", "24:00:00", "1 day, 0 h", "2 days, 3 h"]);
});

test("an opening is read in the reader's zone, said with its name, and bounded", () => {
  const date = new Date(2026, 10, 27, 18, 0, 30);
  expect(toExactInput(date.getTime())).toBe("2026-11-27T18:00:30");
  expect(checkOpening("2026-11-27T18:00:30", NOW)).toEqual({ at: date.getTime() });
  const typed = (ms: number) => "at" in checkOpening(toExactInput(NOW + ms), NOW);
  expect([typed(0), typed(1_000), typed(AHEAD_MAX_MS), typed(AHEAD_MAX_MS + 1_000)]).toEqual([false, true, true, false]);
  expect(["", "soon"].map((text) => "complaint" in checkOpening(text, NOW))).toEqual([true, true]);
  expect(zoneWords(NOW, "Europe/Berlin")).toBe("Central European Standard Time (Europe/Berlin)");
  expect(zoneWords(Date.parse("2026-07-01T12:00:00Z"), "Europe/Berlin"), "the zone of that day, not of today").toContain("Summer");
  expect(zoneWords(NOW, "UTC")).toBe("Coordinated Universal Time");
  expect(momentWords(NOW, "UTC")).toMatch(/2026.*12:00:00/);
});

test("a release waits, is open, or is none", () => {
  expect(releaseOf(null, NOW)).toEqual({ state: "none" });
  expect(releaseOf(at(61), NOW)).toMatchObject({ state: "waiting", in: "1:01" });
  expect(releaseOf(at(0), NOW)).toMatchObject({ state: "open" });
  expect(proposal(NOW, at(7_200)), "with the show").toBe(NOW + 7_200_000);
  expect(proposal(NOW, at(-7_200)), "the next quarter of an hour that leaves time to think").toBe(NOW + 15 * 60_000);
});

test("a product of a brand is checked at its limits and one past them", () => {
  const typed = (more: Partial<TypedProduct> = {}): TypedProduct => ({ title: "Pan", description: "", image: "", variants: [{ id: "v1", title: "28 cm", price: "49", saved: true }, { id: "v2", title: "32 cm", price: "59,5", saved: false }], ...more });
  const wrong = (more: Partial<TypedProduct>) => {
    const result = checkProduct(typed(more), "EUR");
    return "complaints" in result ? Object.keys(result.complaints) : [];
  };
  const one = (title: string, price: string, id = "v1") => ({ id, title, price, saved: false });
  expect(checkProduct(typed(), "EUR")).toEqual({ draft: { title: "Pan", description: "", image: "", variants: [{ id: "v1", title: "28 cm", price: { amount: 4900, currency: "EUR" } }, { id: "v2", title: "32 cm", price: { amount: 5950, currency: "EUR" } }] } });
  expect([wrong({ title: " " }), wrong({ title: "x".repeat(120) }), wrong({ title: "x".repeat(121) })]).toEqual([["title"], [], ["title"]]);
  expect([wrong({ description: "x".repeat(2_000) }), wrong({ description: "x".repeat(2_001) })]).toEqual([[], ["description"]]);
  expect(wrong({ variants: [one("", "49")] }), "one variant needs no name").toEqual([]);
  expect(wrong({ variants: [one("", "49"), one("b", "49", "v2")] })).toEqual(["name v1"]);
  expect(wrong({ variants: [one("Red", "49"), one(" red", "49", "v2")] })).toEqual(["name v2"]);
  for (const price of ["", "0", "-1", "4.999", "1000000.01"]) expect(wrong({ variants: [one("", price)] }), price).toEqual(["price v1"]);
  expect(["0", "1000000", "1000001", "", "1.5", "-1"].map((text) => "units" in checkUnits(text))).toEqual([true, true, false, false, false, false]);
  expect(VARIANTS_LIMIT).toBe(50);
});

test("a saved product comes back as it was typed, in any currency", () => {
  const product = { ...pan([4905, 5]), variants: [{ id: "v1", title: "a", price: { amount: 4905, currency: "EUR" } }, { id: "v2", title: "b", price: { amount: 5, currency: "EUR" } }, { id: "v3", title: "c", price: { amount: 1200, currency: "JPY" } }] };
  expect(typedFrom(product).variants.map(({ price, saved }) => [price, saved])).toEqual([["49.05", true], ["0.05", true], ["1200", true]]);
  expect(typedFrom(null).variants).toHaveLength(1);
  expect(newVariant().id).not.toBe(newVariant().id);
});
