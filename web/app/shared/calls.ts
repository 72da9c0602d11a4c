// What a page asks the room and waits for, by id. A call whose answer did not come is not sent again by itself: whoever
// asked decides, and gives the same id, so that the server does it once.

import type { Schemas } from "./api.gen";

type Asked = Schemas["RoomCalls"];
type Answers = Schemas["RoomReplies"];

/** Question and answer of each call, as the server describes them. */
export type RoomCalls = { [Name in keyof Answers]: { ask: Asked[Name]; answer: Answers[Name] } };

/** Said without an answer: one that is lost is no loss. */
export type RoomRemarks = Omit<Asked, keyof Answers>;

/** Calls that may be under way at once; a page that wants more has gone wrong. */
const MAX_UNDER_WAY = 16;
const TIMEOUT_MS = 8_000;

/**
 * The room's refusal by its code, or one of ours: "not_sent" (it never left), "line_lost" and "timeout" (it left, and
 * may have been done).
 */
export class CallError extends Error {
  constructor(
    readonly code: string,
    detail: string,
    /** For the retry: a call of the same id is done once. */
    readonly callId: string,
    readonly retryAfterMs: number | null = null,
    /** What else the refusal says. */
    readonly data: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
    this.name = "CallError";
  }

  /** Whether the room may have done it all the same. */
  get unsure(): boolean {
    return this.code === "line_lost" || this.code === "timeout";
  }
}

export interface RoomCallOptions {
  /** Of an earlier try. */
  id?: string;
  timeoutMs?: number;
}

interface UnderWay {
  resolve(answer: unknown): void;
  reject(error: CallError): void;
  timer: ReturnType<typeof setTimeout>;
}

interface Reply {
  id?: unknown;
  d?: unknown;
  error?: { code?: unknown; detail?: unknown; retry_after_ms?: unknown; d?: unknown };
}

export class Calls {
  private readonly underWay = new Map<string, UnderWay>();

  /** `send` says whether the frame left. */
  constructor(private readonly send: (frame: object) => boolean) {}

  ask<N extends keyof RoomCalls>(name: N, data: RoomCalls[N]["ask"], options: RoomCallOptions = {}): Promise<RoomCalls[N]["answer"]> {
    const id = options.id ?? newCallId();
    return new Promise((resolve, reject) => {
      const refuse = (code: string, detail: string): void => reject(new CallError(code, detail, id));
      // The same id twice at once would get two answers and believe the first.
      if (this.underWay.has(id) || this.underWay.size >= MAX_UNDER_WAY) return refuse("not_sent", "One moment: the last one is still on its way.");
      if (!this.send({ t: "call", id, call: name, d: data })) return refuse("not_sent", "Not sent: there is no connection right now.");
      const timer = setTimeout(() => this.end(id)?.reject(new CallError("timeout", "No answer came.", id)), options.timeoutMs ?? TIMEOUT_MS);
      this.underWay.set(id, { resolve: resolve as (answer: unknown) => void, reject, timer });
    });
  }

  remark<N extends keyof RoomRemarks>(name: N, data: RoomRemarks[N]): boolean {
    return this.send({ t: "call", call: name, d: data });
  }

  get busy(): boolean {
    return this.underWay.size > 0;
  }

  /** An answer. One that nobody waits for any more is left. */
  reply(frame: object): void {
    const { id, d, error } = frame as Reply;
    const call = typeof id === "string" ? this.end(id) : undefined;
    if (!call) return;
    if (!error) return call.resolve(d);
    const wait = error.retry_after_ms;
    call.reject(
      new CallError(
        typeof error.code === "string" ? error.code : "refused",
        typeof error.detail === "string" && error.detail ? error.detail : "The server did not take it.",
        id as string,
        typeof wait === "number" && wait >= 0 ? wait : null,
        typeof error.d === "object" && error.d !== null ? (error.d as Record<string, unknown>) : {},
      ),
    );
  }

  /** The line broke: what was asked may have arrived, and its answer will not. */
  broke(): void {
    for (const id of [...this.underWay.keys()]) this.end(id)?.reject(new CallError("line_lost", "The connection broke off before an answer came.", id));
  }

  private end(id: string): UnderWay | undefined {
    const call = this.underWay.get(id);
    if (!call) return undefined;
    clearTimeout(call.timer);
    this.underWay.delete(id);
    return call;
  }
}

export function newCallId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
