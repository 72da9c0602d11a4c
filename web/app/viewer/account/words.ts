import type { ApiError } from "../../shared/http";

/** "a minute", "12 minutes": how long a refusal asks to wait. */
export function waitWords(error: ApiError): string {
  const minutes = Math.ceil((error.retryAfterMs ?? 60_000) / 60_000);
  return minutes === 1 ? "a minute" : `${minutes} minutes`;
}
