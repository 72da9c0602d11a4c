// When the card changes, without a picture: the model of pins, and what a timestamp says.

import { expect, test } from "@playwright/test";
import { signal } from "@preact/signals";
import { takenAt } from "../app/viewer/watch/picture";
import { MAX_PIN_WAIT_MS, MAX_PINS_WAITING, Pins } from "../app/viewer/watch/pins";

const NOW = 1_800_000_000_000;
const pin = (product: string | null, at: number) => ({ product, pinned_at: NOW + at });

/** Pins on a screen that shows the moment NOW, and all that the card showed. */
function screen() {
  const card = signal<string | null | undefined>(undefined);
  const pins = new Pins(card);
  const seen: (string | null | undefined)[] = [];
  card.subscribe((shown) => void seen.push(shown));
  pins.take(pin("a", -5_000));
  pins.picture(NOW);
  seen.splice(0);
  return { pins, seen };
}

test("without a picture a pin shows at once: before the first frame, and after the last", () => {
  const card = signal<string | null | undefined>(undefined);
  const pins = new Pins(card);
  pins.take(pin("a", 9_999));
  expect(card.value).toBe("a");
  pins.picture(NOW);
  pins.picture(null);
  pins.take(pin("b", 50));
  expect(card.value).toBe("b");
});

test("a pin shows with the first frame of its moment or after it, not before", () => {
  const { pins, seen } = screen();
  pins.take(pin("b", 100));
  pins.picture(NOW + 66);
  pins.picture(NOW + 99.9);
  expect(seen).toEqual([]);
  pins.picture(NOW + 100);
  pins.picture(NOW + 133);
  expect(seen).toEqual(["b"]);
  pins.take(pin("c", 133));
  expect(seen, "of what is on the screen already").toEqual(["b", "c"]);
  pins.take({ product: "d", pinned_at: 0 });
  expect(seen, "long ago").toEqual(["b", "c", "d"]);
  pins.picture(null);
});

test("pins and unpins show in order; of those that are due together, the newest", () => {
  const { pins, seen } = screen();
  for (const each of [pin("b", 100), pin(null, 200), pin("c", 300), pin("d", 310)]) pins.take(each);
  for (const moment of [50, 100, 150, 200, 250]) pins.picture(NOW + moment);
  expect(seen).toEqual(["b", null]);
  pins.picture(NOW + 1_000);
  expect(seen, "c is over before it was seen").toEqual(["b", null, "d"]);
  pins.picture(null);
});

test("what is pressed later wins, whatever the clocks of two devices say", () => {
  const { pins, seen } = screen();
  pins.take(pin("b", 300));
  pins.take(pin("c", 200));
  pins.picture(NOW + 250);
  expect(seen).toEqual(["c"]);
  pins.picture(NOW + 300);
  expect(seen, "b was pressed before c").toEqual(["c"]);
  pins.take(pin("d", 900));
  pins.take(pin("e", 100));
  pins.picture(NOW + 900);
  expect(seen, "e was due when it came").toEqual(["c", "e"]);
  pins.picture(null);
});

test("a picture that goes away lets the newest pin through; a wait that makes no sense is none", () => {
  const { pins, seen } = screen();
  pins.take(pin("b", 100));
  pins.take(pin("c", 200));
  pins.picture(null);
  expect(seen).toEqual(["c"]);
  pins.picture(NOW);
  pins.take(pin("d", MAX_PIN_WAIT_MS + 1));
  expect(seen).toEqual(["c", "d"]);
  pins.take(pin("e", MAX_PIN_WAIT_MS));
  expect(seen).toEqual(["c", "d"]);
  pins.picture(null);
});

test("when the picture stops, no pin waits longer than its bound", async () => {
  const real = globalThis.setTimeout;
  const timers: { run: () => void; ms: number }[] = [];
  globalThis.setTimeout = ((run: () => void, ms: number) => timers.push({ run, ms })) as never;
  try {
    const { pins, seen } = screen();
    pins.take(pin("b", 100));
    pins.take(pin("c", 200));
    expect(timers.map(({ ms }) => ms)).toEqual([MAX_PIN_WAIT_MS, MAX_PIN_WAIT_MS]);
    timers[0]!.run();
    expect(seen).toEqual(["b"]);
    timers[1]!.run();
    expect(seen).toEqual(["b", "c"]);
    for (const { run } of timers) run();
    expect(seen, "a timer of what has been shown is nothing").toEqual(["b", "c"]);
    expect(MAX_PIN_WAIT_MS).toBeLessThanOrEqual(3_000);
  } finally {
    globalThis.setTimeout = real;
  }
});

test("waiting pins are bounded: the oldest do not wait", () => {
  const { pins, seen } = screen();
  for (let n = 0; n < MAX_PINS_WAITING; n++) pins.take(pin(`p${n}`, 100 + n));
  expect(seen).toEqual([]);
  pins.take(pin("one more", 1_000));
  expect(seen).toEqual(["p0"]);
  pins.picture(null);
});

test("a timestamp is a moment of the server's clock, in whichever lap of 13 hours", () => {
  const stamp = (moment: number): number => Number(BigInt(moment * 90) % 2n ** 32n);
  for (let hour = 0; hour < 60; hour++) {
    const now = NOW + hour * 3_599_000 + 123;
    for (const age of [-300, 0, 1, 250, 4_000, 9_999]) expect(takenAt(stamp(now - age), now), `hour ${hour}, ${age} ms ago`).toBeCloseTo(now - age, 1);
    for (const age of [-10_001, 10_001, 3_600_000, 6 * 3_600_000]) expect(takenAt(stamp(now - age), now), `hour ${hour}, ${age} ms ago`).toBeNull();
  }
});
