// Which way a room's line takes: a WebSocket, or an event stream where those are blocked. A WebSocket is better, so the
// other way needs proof: sockets that never open while plain HTTP answers. What was learned holds for the tab's session,
// and is doubted now and then.

export type Way = "socket" | "stream";

/** Sockets in a row that never opened before the stream is tried. */
const FAILURES = 2;
/** Failures further apart say nothing about each other. */
const FAILURES_WITHIN_MS = 60_000;
/** How long a stream is taken without asking whether sockets open again: at first, and at most, since each no doubles it. */
export const STREAM_FIRST_MS = 30_000;
export const STREAM_FOR_MS = 10 * 60_000;
const REMEMBERED = "rialto.stream-until";

export interface WayPorts {
  /** Whether this browser has WebSockets at all. */
  sockets(): boolean;
  /** false when the browser knows that nothing gets through: then nothing is learned. */
  online(): boolean;
  /** Milliseconds that go on while the page is reloaded. */
  now(): number;
  /** Null where nothing can be kept. */
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
}

export class WayChoice {
  private failures = 0;
  private failedAt = -Infinity;
  private streamFailures = 0;
  private last: Way = "socket";
  /** 0: nothing was learned. */
  private streamUntil = 0;
  private streamFor = STREAM_FIRST_MS;

  constructor(private readonly ports: WayPorts = browserPorts()) {
    this.recall();
  }

  /** The way of the next attempt. */
  next(): Way {
    const now = this.ports.now();
    if (!this.ports.sockets() || now < this.streamUntil) this.last = "stream";
    else this.last = this.last === "socket" && this.enough() ? "stream" : "socket";
    return this.last;
  }

  /** The way of this attempt. */
  get taken(): Way {
    return this.last;
  }

  /** Whether this attempt asks if sockets open again, which did not. */
  get doubting(): boolean {
    return this.last === "socket" && this.streamUntil > 0;
  }

  /** Milliseconds until a line over the stream should ask that; null for any other line. */
  get doubtIn(): number | null {
    if (this.last !== "stream" || !this.ports.sockets()) return null;
    return Math.max(0, this.streamUntil - this.ports.now());
  }

  /** The attempt has become a line. */
  opened(): void {
    this.failures = this.streamFailures = 0;
    if (this.last === "socket") this.remember(0);
    else if (this.ports.sockets() && this.ports.now() >= this.streamUntil) {
      this.streamFor = this.streamUntil > 0 ? Math.min(STREAM_FOR_MS, this.streamFor * 2) : STREAM_FIRST_MS;
      this.remember(this.ports.now() + this.streamFor);
    }
  }

  /**
   * The attempt has not become a line. true: go back to the stream at once, which was left only to ask. Whoever has none
   * waits first: a server that is full refuses sockets too, and two requests for one would fill it further.
   */
  failed(): boolean {
    // Then nothing is learned, and what is known stays.
    if (!this.ports.online()) return false;
    if (this.last === "stream") {
      if (++this.streamFailures >= FAILURES) this.remember(0);
      return false;
    }
    const now = this.ports.now();
    if (now - this.failedAt > FAILURES_WITHIN_MS) this.failures = 0;
    this.failedAt = now;
    this.failures++;
    return this.doubting;
  }

  /** The network is another now, or was away: what failed before says nothing. */
  fresh(): void {
    this.failures = this.streamFailures = 0;
  }

  /** Who knew that sockets do not open needs less to believe that they still do not. */
  private enough(): boolean {
    return this.failures >= (this.streamUntil > 0 ? 1 : FAILURES);
  }

  private recall(): void {
    try {
      const [until = 0, lasts = 0] = (this.ports.storage?.getItem(REMEMBERED) ?? "").split(" ").map(Number);
      // A device's clock that was set back must not hold it for ever.
      if (!(lasts >= STREAM_FIRST_MS && lasts <= STREAM_FOR_MS && until <= this.ports.now() + lasts)) return;
      this.streamUntil = until;
      this.streamFor = lasts;
    } catch {
      // Forbidden: nothing was learned.
    }
  }

  private remember(until: number): void {
    this.streamUntil = until;
    try {
      if (until) this.ports.storage?.setItem(REMEMBERED, `${until} ${this.streamFor}`);
      else this.ports.storage?.removeItem(REMEMBERED);
    } catch {
      // Not kept: the next page finds out by itself.
    }
  }
}

function browserPorts(): WayPorts {
  let storage: Storage | null = null;
  try {
    storage = sessionStorage;
  } catch {
    // Forbidden in this browser.
  }
  return { sockets: () => typeof WebSocket === "function", online: () => navigator.onLine, now: () => Date.now(), storage };
}
