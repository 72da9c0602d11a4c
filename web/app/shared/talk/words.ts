// Refusals and lengths of time, as the talk of a show says them.

import { ApiError } from "../http";

export function wordsFor(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something on this page went wrong. Load it again, and try once more.";
  if (error.code === "no_identity") return "We do not know who you are yet. Load this page again, then it works.";
  return error.message;
}

/** "45 seconds", "1 minute", "2 hours". */
export function spanWords(seconds: number): string {
  const [count, unit] = seconds >= 3_600 && seconds % 3_600 === 0 ? [seconds / 3_600, "hour"] : seconds >= 60 && seconds % 60 === 0 ? [seconds / 60, "minute"] : [seconds, "second"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
