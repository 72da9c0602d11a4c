// The server's clock, as well as this page can know it. Prices and holds end by the server's time, so every countdown
// on the page is drawn from serverNow(), never from the device's own clock.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

/**
 * What the exchanges so far allow: server time minus the steady clock is between `low` and `high`, ms. One exchange says no
 * more than that neither of its ways took less than nothing: half of its round trip to either side. What all of them allow
 * is believed, so the shortest counts most; old ones count with what the clocks may have drifted apart since.
 */
interface View {
  low: number;
  high: number;
  /** The steady clock at the last exchange; -Infinity: there was none that can be believed. */
  at: number;
  /** What to go by while there was none. */
  guess: number;
  /** The device's clock minus the steady one at that time: it grows by a nap in which the steady one stood still. */
  gap: number;
}

/** Two clocks drift apart by at most this much (250 ppm; a bad crystal makes 100). */
const DRIFT = 250e-6;

/** The server says whole milliseconds, rounded down. */
const SERVER_TICK_MS = 1;

/** Browsers blur performance.now() by up to this much. */
const BLUR_MS = 1;

/** A device's clock that is corrected by less than this has not slept. */
const NAP_MS = 500;

/** Whoever draws a time draws it anew when the clock is set by more than an eye would miss. */
const SEEN_MS = 20;

/** The server's clock as one page knows it, from its own two: a steady one, and the device's. Both in ms. */
export class ServerClock {
  // Until the server has spoken the device's clock has to do; any exchange is better.
  private view: View;
  /** Exchanges that began before this moment say nothing: the device slept since. */
  private trustedSince = -Infinity;

  constructor(
    private readonly steady: () => number,
    private readonly device: () => number,
    private readonly onSeen: () => void = () => undefined,
  ) {
    this.view = { low: -Infinity, high: Infinity, at: -Infinity, guess: this.gap(), gap: this.gap() };
  }

  /** One exchange: asked at `sent` (steady), the server received at `received` and answered at `answered` (its clock), heard at `heard`. */
  add(sent: number, received: number, answered: number, heard: number): void {
    let low = answered - heard - BLUR_MS;
    let high = received + SERVER_TICK_MS - sent + BLUR_MS;
    // A way back that took less than nothing: a clock was set meanwhile, or this is no answer of ours.
    if (!(low <= high) || heard < sent || sent < this.trustedSince) return;
    const known = this.bounds(heard);
    // What contradicts all before: a clock was set, and the newest is right.
    if (known.low <= high && low <= known.high) [low, high] = [Math.max(low, known.low), Math.min(high, known.high)];
    this.set({ low, high, at: heard, guess: (low + high) / 2, gap: this.gap() });
  }

  /**
   * After sleep the old offset may be wrong by the whole nap: what was known counts no more, and exchanges that the nap
   * interrupted do not either. Until the next, what the device's clock says of the nap is the best there is.
   */
  distrust(): void {
    const gap = this.gap();
    const nap = gap - this.view.gap;
    // Questions carry whole milliseconds, rounded down.
    this.trustedSince = Math.floor(this.steady());
    this.set({ low: -Infinity, high: Infinity, at: -Infinity, guess: this.view.guess + (nap > NAP_MS ? nap : 0), gap });
  }

  now(): number {
    return this.steady() + this.view.guess;
  }

  /** How far now() may be off; Infinity while there is no exchange to go by. */
  uncertainty(): number {
    const { low, high } = this.bounds(this.steady());
    return (high - low) / 2;
  }

  private bounds(now: number): { low: number; high: number } {
    const { low, high, at } = this.view;
    const drift = at === -Infinity ? 0 : Math.max(0, now - at) * DRIFT;
    return { low: low - drift, high: high + drift };
  }

  private gap(): number {
    return this.device() - this.steady();
  }

  private set(next: View): void {
    const seen = Math.abs(next.guess - this.view.guess) > SEEN_MS;
    this.view = next;
    if (seen) this.onSeen();
  }
}

const corrections = signal(0);
const clock = new ServerClock(
  () => performance.now(),
  () => Date.now(),
  () => void corrections.value++,
);

/** See ServerClock.add. */
export function addClockSample(sent: number, received: number, answered: number, heard: number): void {
  clock.add(sent, received, answered, heard);
}

/** See ServerClock.distrust. */
export function distrustClock(): void {
  clock.distrust();
}

/** Milliseconds since 1970 on the server's clock. */
export function serverNow(): number {
  return clock.now();
}

/** How far serverNow() may be off, ms; Infinity before the first answer. */
export function clockUncertainty(): number {
  return clock.uncertainty();
}

/** Re-renders every `periodMs` with the server's time; a period of 0 stops the clock. */
export function useServerNow(periodMs: number): number {
  const [now, setNow] = useState(serverNow);
  useEffect(() => {
    if (periodMs <= 0) return;
    setNow(serverNow());
    const timer = setInterval(() => setNow(serverNow()), periodMs);
    return () => clearInterval(timer);
  }, [periodMs]);
  return now;
}

/** No timer reaches further; looking again costs nothing. */
const LOOK_AGAIN_MS = 60_000;

/**
 * The server's time, drawn anew the moment one of `deadlines` passes, and with `counting` at each whole second before the
 * next of them, so that clockText() changes when it should.
 */
export function useDeadlines(deadlines: readonly number[], counting: boolean): number {
  const [, redraw] = useState(0);
  void corrections.value;
  const now = serverNow();
  const next = Math.min(...deadlines.filter((time) => time > now));
  useEffect(() => {
    if (!Number.isFinite(next)) return;
    const left = next - serverNow();
    const wait = counting ? left % 1_000 || 1_000 : left;
    const timer = setTimeout(() => redraw((n) => n + 1), Math.min(Math.max(Math.ceil(wait), 0), LOOK_AGAIN_MS));
    return () => clearTimeout(timer);
  });
  return now;
}

/** "1:02:03", "2:14", never negative. Rounds up, so that 0:00 means over. */
export function clockText(ms: number): string {
  const total = Math.max(0, Math.ceil(ms / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}
