// The line check before going live: is the server there, how quickly does it answer, how steadily?

import { deadline } from "./deadline";

export type Reach =
  | { state: "checking" }
  | { state: "good" | "slow"; ms: number; words: string }
  | { state: "none"; words: string };

const ASKS = 6;
const TIMEOUT_MS = 4_000;
/** A slow answer delays the picture but does not harm it; above this it is worth a word. */
const SLOW_MS = 350;
const UNSTEADY_MS = 250;

export async function reach(signal: AbortSignal, ask: (signal: AbortSignal) => Promise<void> = askHealth): Promise<Reach> {
  const times: number[] = [];
  try {
    for (let i = 0; i < ASKS; i++) {
      const start = performance.now();
      await ask(signal);
      times.push(performance.now() - start);
    }
  } catch {
    return { state: "none", words: "The server does not answer. Check that this device is online." };
  }
  // The first answer pays for opening the connection.
  return verdict(times.slice(1));
}

export function verdict(times: readonly number[]): Reach {
  const best = Math.min(...times);
  // One slow answer is this page still loading; half of them slow is the line.
  const usual = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? best;
  const ms = Math.max(1, Math.round(best));
  if (best > SLOW_MS) return { state: "slow", ms, words: `The server answers in ${ms} ms. Viewers will see you a little later.` };
  if (usual - best > UNSTEADY_MS) return { state: "slow", ms, words: `The line is unsteady (${ms} to ${Math.round(usual)} ms). A cable or mobile data may be better.` };
  return { state: "good", ms, words: `The server answers in ${ms} ms.` };
}

async function askHealth(signal: AbortSignal): Promise<void> {
  const limit = deadline(TIMEOUT_MS, signal);
  try {
    const response = await fetch("/healthz", { cache: "no-store", credentials: "omit", signal: limit.signal });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`health answered ${response.status}`);
  } finally {
    limit.done();
  }
}
