// A room's line where WebSockets are blocked: one answer that does not end, read as it comes, and a request for each thing
// that the page says (protocol.md, "Without WebSockets"). fetch, not EventSource, which tells no status and comes back by
// itself, so that there could be two.

import type { Carrier, CarrierPort, Greeting } from "./carriers";
import { patience, retryAfter } from "./http";

const LOST = 1006;
/** Things to say that wait for the one before; the room's limits are stricter. */
const MAX_WAITING = 32;
const POST_LIMIT_MS = 10_000;

export function openEventStream(path: string, port: CarrierPort): Carrier {
  const abort = new AbortController();
  let line = "";
  let over = false;
  let waiting = 0;
  /** What is said in order: each thing when the one before has been heard. */
  let turn: Promise<unknown> = Promise.resolve();

  const end = (code: number, reason: string): void => {
    if (over) return;
    over = true;
    abort.abort();
    port.ended(code, reason);
  };
  const block = ({ event, data }: Block): void => {
    if (over) return;
    if (event === "") return port.heard(data);
    const told = objectIn(data);
    if (event === "line" && typeof told.line === "string") line = told.line;
    if (event === "close") end(typeof told.code === "number" ? told.code : LOST, typeof told.reason === "string" ? told.reason : "");
  };
  const listen = async (): Promise<void> => {
    const answer = await fetch(`${path}?${query(port.greet())}`, { headers: { Accept: "text/event-stream" }, cache: "no-store", signal: abort.signal });
    const later = answer.status === 503 && answer.headers.get("Content-Type")?.startsWith("application/problem+json") ? patience(retryAfter(answer.headers)) : null;
    if (later !== null && !over) {
      over = true;
      abort.abort();
      return port.putOff(later);
    }
    if (!answer.ok || !answer.body || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return;
    const blocks = new Blocks(block);
    const text = new TextDecoder();
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      blocks.push(text.decode(value, { stream: true }));
    }
  };
  listen().then(
    () => end(LOST, ""),
    () => end(LOST, ""),
  );
  const post = async (frame: object): Promise<void> => {
    if (over) return;
    const limit = new AbortController();
    const stop = (): void => limit.abort();
    abort.signal.addEventListener("abort", stop);
    const late = setTimeout(stop, POST_LIMIT_MS);
    try {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch(`${path}/${line}`, { method: "POST", headers, body: JSON.stringify(frame), cache: "no-store", signal: limit.signal });
      // The line is not known there, or not as ours. Of all else that ends it the stream itself tells.
      if (answer.status === 404 || answer.status === 403) end(LOST, "");
    } catch {
      // It may have arrived. Whoever asked waits for the answer on the stream, and not for ever.
    } finally {
      clearTimeout(late);
      abort.signal.removeEventListener("abort", stop);
    }
  };

  return {
    send: (frame) => {
      if (over || line === "") return false;
      // The question for the time is not kept waiting: that would be taken for the length of the way.
      if ((frame as { t?: string }).t === "ping") {
        void post(frame);
        return true;
      }
      if (waiting >= MAX_WAITING) return false;
      waiting++;
      turn = turn.then(() => post(frame)).then(() => waiting--);
      return true;
    },
    close: () => {
      over = true;
      abort.abort();
    },
  };
}

function query({ room, epoch, o }: Greeting): string {
  return new URLSearchParams({ room, ...(epoch ? { epoch, o: String(o ?? 0) } : {}) }).toString();
}

function objectIn(text: string): Record<string, unknown> {
  try {
    return (JSON.parse(text) as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}

export interface Block {
  event: string;
  data: string;
}

/** A line longer than any that the server sends: what does not end is not kept. */
const MAX_LINE = 8 << 20;

/** Cuts text/event-stream, in whatever pieces it comes, into its blocks. Comments and blocks without data are nothing. */
export class Blocks {
  private rest = "";
  private event = "";
  private data: string[] = [];

  constructor(private readonly tell: (block: Block) => void) {}

  push(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    if (this.rest.length > MAX_LINE) throw new Error("a line without an end");
    for (const line of lines) this.line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  private line(line: string): void {
    if (line === "") {
      const block = { event: this.event, data: this.data.join("\n") };
      const empty = this.data.length === 0;
      this.event = "";
      this.data = [];
      if (!empty) this.tell(block);
      return;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "event") this.event = value;
    if (field === "data") this.data.push(value);
  }
}
