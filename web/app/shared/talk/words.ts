// Refusals and lengths of time, as the talk of a show says them.

import { serverNow } from "../clock";
import { ApiError } from "../http";
import { timeOfDay } from "../when";

export function wordsFor(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something on this page went wrong. Load it again, and try once more.";
  if (error.code === "no_identity") return "We do not know who you are yet. Load this page again, then it works.";
  if (error.code === "timed_out" && error.retryAfterMs !== null) return `${error.message} It ends in ${aboutWords(error.retryAfterMs)}, at ${timeOfDay(serverNow() + error.retryAfterMs)}.`;
  return error.message;
}

/** A length that nobody counts: "45 seconds", "12 minutes", "3 hours", rounded up. */
export function aboutWords(ms: number): string {
  const unit = ms <= 90_000 ? 1 : ms <= 5_400_000 ? 60 : 3_600;
  return spanWords(Math.max(1, Math.ceil(ms / 1_000 / unit)) * unit);
}

/** "45 seconds", "1 minute", "2 hours". */
export function spanWords(seconds: number): string {
  const [count, unit] = seconds >= 3_600 && seconds % 3_600 === 0 ? [seconds / 3_600, "hour"] : seconds >= 60 && seconds % 60 === 0 ? [seconds / 60, "minute"] : [seconds, "second"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
