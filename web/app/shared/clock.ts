// The server's clock, as well as this page can know it. Prices and holds end by the server's time, so every countdown
// on the page is drawn from serverNow(), never from the device's own clock.

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";

interface Sample {
  /** Server time minus performance.now(), ms. */
  offset: number;
  /** The true offset lies within this many ms of it: half of the exchange's round trip. */
  uncertainty: number;
  takenAt: number;
  /** The device's clock minus performance.now() at that time: it grows by a nap in which performance.now() stood still. */
  wallGap: number;
}

/** Clocks drift apart by some ppm and sleep stops performance.now() in some browsers: old samples lose to new ones. */
const SAMPLE_LIFE_MS = 5 * 60_000;

/** What rounding alone may be wrong by. */
const ROUNDING_MS = 2;

/** A device's clock that is corrected by less than this has not slept. */
const NAP_MS = 500;

/** Whoever draws a time draws it anew when the clock is set by more than an eye would miss. */
const SEEN_MS = 20;
const corrections = signal(0);

const wallGap = (): number => Date.now() - performance.now();

// Until the server has spoken the device's clock has to do; any sample is better.
let best: Sample = { offset: wallGap(), uncertainty: Infinity, takenAt: -Infinity, wallGap: wallGap() };

/**
 * One exchange: asked at `sent` (performance.now()), the server received at `serverReceived` and answered at
 * `serverSent` (its clock, ms), heard at `heard`. The sample with the shortest way there and back is kept.
 */
export function addClockSample(sent: number, serverReceived: number, serverSent: number, heard: number): void {
  const measured = heard - sent - (serverSent - serverReceived);
  // The server says whole milliseconds: on a short way the sum may come out below nothing.
  if (!Number.isFinite(measured) || measured < -ROUNDING_MS) return;
  const roundTrip = Math.max(measured, ROUNDING_MS);
  const sample: Sample = {
    offset: (serverReceived - sent + serverSent - heard) / 2,
    uncertainty: roundTrip / 2,
    takenAt: heard,
    wallGap: wallGap(),
  };
  if (sample.uncertainty <= best.uncertainty || heard - best.takenAt > SAMPLE_LIFE_MS) set(sample);
}

function set(sample: Sample): void {
  const seen = Math.abs(sample.offset - best.offset) > SEEN_MS;
  best = sample;
  if (seen) corrections.value++;
}

/**
 * After sleep the old offset may be wrong by the whole nap: the next sample wins, whatever its round trip. Until it comes,
 * what the device's clock says of the nap is the best there is.
 */
export function distrustClock(): void {
  const gap = wallGap();
  const nap = gap - best.wallGap;
  set({ ...best, offset: best.offset + (nap > NAP_MS ? nap : 0), wallGap: gap, uncertainty: Infinity });
}

/** Milliseconds since 1970 on the server's clock. */
export function serverNow(): number {
  return performance.now() + best.offset;
}

/** How far serverNow() may be off, ms; Infinity before the first answer. */
export function clockUncertainty(): number {
  return best.uncertainty;
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
