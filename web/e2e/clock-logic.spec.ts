// The server's clock as a page knows it, over lines that are long and lopsided, on devices whose clocks drift, jump and
// sleep. The truth is the test's; a seed that fails is in the message.

import { expect, test } from "@playwright/test";
import { ServerClock } from "../app/shared/clock";

const SEEDS = 200;
const EPOCH = 1_800_000_000_000;
/** What rounding on both sides may add to half of a round trip. */
const ROUNDING_MS = 2;
const DRIFT = 250e-6;

/** mulberry32 */
function random(seed: number): (from: number, to: number) => number {
  return (from, to) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return from + (((t ^ (t >>> 14)) >>> 0) / 4294967296) * (to - from);
  };
}

/** A device far from the server. `truth` is the server's clock less EPOCH, ms. */
class Device {
  truth = 0;
  slept = 0;
  wallShift: number;
  readonly clock: ServerClock;
  private readonly drift: number;

  constructor(
    readonly any: (from: number, to: number) => number,
    private readonly least = 20,
    private readonly most = 400,
  ) {
    this.truth = any(0, 1e7);
    this.drift = any(-200e-6, 200e-6);
    this.wallShift = any(-90_000, 90_000);
    this.clock = new ServerClock(
      () => this.steady(),
      () => this.wall(),
    );
  }

  steady(at = this.truth): number {
    return Math.round((at - this.slept) * (1 + this.drift) * 10) / 10;
  }

  wall(): number {
    return Math.floor(EPOCH + this.truth + this.wallShift);
  }

  sleep(ms: number, steadyStops: boolean): void {
    this.truth += ms;
    if (steadyStops) this.slept += ms;
  }

  /** Returns the round trip without what the server took; `during` happens on the way. */
  exchange(during: () => void = () => undefined): number {
    const [there, back, stay] = [this.any(this.least, this.most), this.any(this.least, this.most), this.any(0, 30)];
    const sent = Math.floor(this.steady());
    const received = Math.floor(EPOCH + this.truth + there);
    const answered = Math.floor(EPOCH + this.truth + there + stay);
    this.truth += there + stay;
    during();
    this.truth += back;
    this.clock.add(sent, received, answered, this.steady());
    return there + back;
  }

  error(): number {
    return Math.abs(this.clock.now() - EPOCH - this.truth);
  }
}

/** Said a hundred thousand times: expect() would take minutes. */
function atMost(value: number, limit: number, what: string): void {
  if (!(value <= limit)) throw new Error(`${what}: ${value}, at most ${limit}`);
}

test("however lopsided the line and however the clocks drift, jump and sleep: off by half of the best round trip at most, and never by more than is said", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const any = random(seed);
    const device = new Device(any);
    atMost(Infinity, device.clock.uncertainty(), "before the server spoke nothing is certain");
    let [best, since] = [Infinity, 0];
    const heard = (way: number): void => {
      if (way < best) [best, since] = [way, device.truth];
    };
    for (let n = 0; n < 40; n++) {
      const event = any(0, 1);
      if (event < 0.1) device.wallShift += any(-3_600_000, 3_600_000);
      else if (event < 0.2) {
        device.sleep(any(100, 3_600_000), any(0, 1) < 0.5);
        device.clock.distrust();
        best = Infinity;
        atMost(Infinity, device.clock.uncertainty(), `seed ${seed}: after a nap nothing is certain`);
      } else if (event < 0.25) {
        // The nap falls between question and answer.
        device.exchange(() => {
          device.sleep(any(100, 10_000), true);
          device.clock.distrust();
        });
        best = Infinity;
        atMost(Infinity, device.clock.uncertainty(), `seed ${seed}: an exchange that slept says nothing`);
      }
      heard(device.exchange());
      for (const pause of [0, any(0, 20_000), any(0, 600_000)]) {
        device.truth += pause;
        const allowed = best / 2 + ROUNDING_MS + (device.truth - since) * DRIFT;
        atMost(device.error(), allowed, `seed ${seed}, exchange ${n}: off by more than half of ${best}`);
        atMost(device.error(), device.clock.uncertainty(), `seed ${seed}, exchange ${n}: off by more than is said`);
        atMost(device.clock.uncertainty(), allowed + ROUNDING_MS, `seed ${seed}, exchange ${n}: said too much`);
      }
    }
  }
});

test("two pages agree within 50 ms when a drop opens, wherever their lines allow it, and say so where they do not", () => {
  let allowed = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const any = random(seed);
    // Half of the people are near.
    const line = (): Device => (any(0, 1) < 0.5 ? new Device(any, any(1, 6), any(7, 12)) : new Device(any, 20, any(21, 400)));
    const [a, b] = [line(), line()];
    const opens = 2e7;
    for (const device of [a, b]) {
      device.truth = opens - 300_000;
      while (device.truth < opens - 25_000) {
        device.exchange();
        device.truth += 20_000;
      }
      device.truth = opens;
    }
    const apart = Math.abs(a.clock.now() - b.clock.now());
    const said = a.clock.uncertainty() + b.clock.uncertainty();
    atMost(apart, said, `seed ${seed}: further apart than is said`);
    if (said <= 50) allowed++;
  }
  expect(allowed, "many lines are good enough").toBeGreaterThan(SEEDS / 10);
});

test("a clock that was set contradicts what was heard: the newest exchange is believed alone", () => {
  const device = new Device(random(7), 20, 40);
  device.exchange();
  device.exchange();
  // The server's clock, or a steady clock that is not: nobody says so.
  device.slept += 5_000;
  device.exchange();
  expect(device.error()).toBeLessThanOrEqual(device.clock.uncertainty());
  expect(device.clock.uncertainty()).toBeLessThan(45);
});

test("until the first answer after a nap, the device's clock says how long it was", () => {
  const device = new Device(random(8), 20, 40);
  device.exchange();
  device.sleep(60_000, true);
  device.clock.distrust();
  expect(device.error()).toBeLessThan(60);
  expect(device.clock.uncertainty()).toBe(Infinity);
});

test("answers that cannot be are left", () => {
  const device = new Device(random(9), 20, 21);
  device.exchange();
  const [now, wrong] = [device.clock.now(), device.clock.uncertainty()];
  device.clock.add(NaN, 0, 0, device.steady());
  device.clock.add(device.steady(), EPOCH, NaN, device.steady());
  device.clock.add(device.steady() + 5, EPOCH, EPOCH, device.steady());
  device.clock.add(device.steady() - 10, EPOCH, EPOCH + 5_000, device.steady());
  expect([device.clock.now(), device.clock.uncertainty()]).toEqual([now, wrong]);
});
