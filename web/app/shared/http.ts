// One way to ask the server: JSON both ways, RFC 9457 problems as ApiError, a deadline on every request.

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  /** Some problems say more: `left` on sold_out, `expires_at` on card_declined, `errors` on a form. */
  [member: string]: unknown;
}

/** The server's refusal, or (status 0) none could be heard. `message` is the server's own plain words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly retryAfterMs: number | null = null,
    readonly problem: Problem = {},
  ) {
    super(detail);
    this.name = "ApiError";
  }
}

export interface CallOptions {
  signal?: AbortSignal;
  timeoutMs?: number;
  /** Lets a request outlive its page; bodies of such requests are limited to 64 kB by browsers. */
  keepalive?: boolean;
  /** For requests that make something whose id the server chooses: the same key again is answered like the first. */
  idempotencyKey?: string;
}

const TIMEOUT_MS = 10_000;
/** The longest a server is taken by its word: a day. */
const MAX_RETRY_AFTER_MS = 86_400_000;
/** What tries again by itself does so after this time at the latest, whatever it was told. */
const MAX_PATIENCE_MS = 60_000;

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof ApiError && codes.includes(error.code);
}

/** No answer, or an answer that asks to come back: the same request may be sent again. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  if (error.code === "payments_not_configured") return false;
  return error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504;
}

/** Retry-After in either of its forms, bounded; null when there is none. */
export function retryAfter(headers: Headers): number | null {
  const value = headers.get("Retry-After");
  if (!value) return null;
  const seconds = Number(value);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS) : null;
}

/** How long to wait before trying again unasked: as told, within reason; null when nothing was told. */
export function patience(told: number | null): number | null {
  return told === null ? null : Math.min(told, MAX_PATIENCE_MS);
}

/** An error answer, whatever its shape: a proxy in between may answer HTML. */
export async function refusal(response: Response): Promise<ApiError> {
  let problem: Problem = {};
  if (/\bjson\b/.test(response.headers.get("Content-Type") ?? "")) {
    problem = await response.json().catch(() => ({}));
  }
  const detail = problem.detail || problem.title || `The server answered ${response.status}. Please try again.`;
  return new ApiError(response.status, problem.code ?? `http_${response.status}`, detail, retryAfter(response.headers), problem);
}

/** A Blob goes as it is, all else as JSON. */
function encoded(body: unknown, options: CallOptions): { headers: Record<string, string>; body: BodyInit | null } {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (options.idempotencyKey) headers["Idempotency-Key"] = options.idempotencyKey;
  if (body === undefined) return { headers, body: null };
  const raw = body instanceof Blob;
  headers["Content-Type"] = raw ? body.type : "application/json";
  return { headers, body: raw ? body : JSON.stringify(body) };
}

export async function call<T>(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<T> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), options.timeoutMs ?? TIMEOUT_MS);
  const stop = (): void => limit.abort();
  options.signal?.addEventListener("abort", stop);
  if (options.signal?.aborted) stop();
  try {
    const response = await fetch(path, {
      method,
      credentials: "include",
      cache: "no-store",
      keepalive: options.keepalive ?? false,
      ...encoded(body, options),
      signal: limit.signal,
    });
    if (!response.ok) throw await refusal(response);
    if (response.status === 204) return undefined as T;
    return (await response.json()) as T;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    // The caller left: that is no failure to show, so it keeps its own name.
    if (options.signal?.aborted) throw new DOMException("The request was left", "AbortError");
    throw unheard(limit.signal.aborted);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

function unheard(timedOut: boolean): ApiError {
  if (!navigator.onLine) return new ApiError(0, "offline", "You are offline. We go on as soon as your connection is back.");
  return timedOut
    ? new ApiError(0, "timeout", "The server takes too long to answer. Please try again.")
    : new ApiError(0, "unreachable", "The server cannot be reached right now. Please try again.");
}

/** Full jitter: anything up to a doubling bound, so that a thousand pages do not come back at once. */
export function jitter(attempt: number, baseMs = 500, capMs = 8_000): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** attempt);
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(new DOMException("The wait was left", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, ms);
    if (signal?.aborted) leave();
    else signal?.addEventListener("abort", leave, { once: true });
  });
}

/**
 * Repeats an idempotent request (same id, same body) while its outcome is unknown. Only for requests whose second
 * arrival is answered like the first.
 */
export async function untilAnswered<T>(ask: () => Promise<T>, tries: number, signal?: AbortSignal): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!isTransient(error) || attempt + 1 >= tries) throw error;
      await sleep(patience((error as ApiError).retryAfterMs) ?? jitter(attempt), signal);
    }
  }
}
