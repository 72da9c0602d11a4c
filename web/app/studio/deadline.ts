/** Aborts after `ms`, or with `outer`; `done` must be called. (AbortSignal.any is too new for phones we serve.) */
export function deadline(ms: number, outer?: AbortSignal): { signal: AbortSignal; done: () => void } {
  const limit = new AbortController();
  const stop = (): void => limit.abort();
  const timer = setTimeout(stop, ms);
  outer?.addEventListener("abort", stop);
  if (outer?.aborted) stop();
  return {
    signal: limit.signal,
    done: () => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", stop);
    },
  };
}
