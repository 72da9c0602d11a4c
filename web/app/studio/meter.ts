// How loud the microphone is, and whether it has been silent for too long to be a pause for breath.

import { signal, type Signal } from "@preact/signals";

/** Speech in a room stays well above this; a dead or muted-by-hardware microphone stays below. */
export const SILENCE_DB = -55;
export const SILENCE_MS = 8_000;
const EVERY_MS = 60;
const FLOOR_DB = -60;

/** Root mean square of samples in -1..1 as dBFS, never below FLOOR_DB. */
export function decibels(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  return rms > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(rms)) : FLOOR_DB;
}

/** Place on the meter, 0..1. */
export function position(db: number): number {
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}

/** Remembers since when it has been quiet. Time comes in, so that tests need no waiting. */
export class SilenceWatch {
  private quietSince: number | null = null;

  silent(db: number, nowMs: number): boolean {
    if (db > SILENCE_DB) this.quietSince = null;
    else this.quietSince ??= nowMs;
    return this.quietSince !== null && nowMs - this.quietSince >= SILENCE_MS;
  }
}

/** Measures one track until stopped. The sound goes nowhere: a creator never hears an echo of the studio. */
export class Meter {
  /** 0..1, for the bar. */
  readonly level: Signal<number> = signal(0);
  readonly silent: Signal<boolean> = signal(false);
  /** Whether any sound was ever heard: the "microphone works" check before going live. */
  readonly heard: Signal<boolean> = signal(false);
  private context: AudioContext | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;

  watch(track: MediaStreamTrack | null): void {
    this.stop();
    if (!track) return;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    // Without a tap on the page a context may start suspended; the first gesture wakes it.
    void context.resume();
    const samples = new Float32Array(analyser.fftSize);
    const watch = new SilenceWatch();
    this.context = context;
    this.timer = setInterval(() => {
      if (context.state === "suspended") {
        void context.resume();
        return;
      }
      analyser.getFloatTimeDomainData(samples);
      const db = track.enabled ? decibels(samples) : FLOOR_DB;
      // Falls slower than it rises, as meters do: a bar that jumps to zero between words cannot be read.
      this.level.value = Math.max(position(db), this.level.value * 0.85);
      if (db > SILENCE_DB) this.heard.value = true;
      this.silent.value = track.enabled && watch.silent(db, performance.now());
    }, EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    void this.context?.close();
    this.context = null;
    this.level.value = 0;
    this.silent.value = false;
    this.heard.value = false;
  }
}
