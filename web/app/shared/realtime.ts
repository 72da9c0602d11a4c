// A page's place in a show's room: one WebSocket, the newest value of each (type, key), and how it comes back.
//
// The rule is the server's: an event replaces its (type, key) when its version is higher. So it does not matter whether
// something arrives in a snapshot, in a tick, once or twice.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { addClockSample, distrustClock } from "./clock";
import type { EventPayloads, EventType } from "./events";
import { jitter } from "./http";

export type RoomPhase = "connecting" | "joined" | "waiting" | "closed";

/** Why the server closed for good; the page says it in words. */
export type CloseReason = "unknown_room" | "forbidden" | "signed_out" | "room_closed" | "bad_message" | "too_many_messages" | "too_large";

/** Close codes after which coming again by itself would only repeat the refusal. All others, and lost lines, reconnect. */
const FINAL_CODES: Record<number, CloseReason> = {
  4100: "unknown_room",
  4101: "forbidden",
  4102: "signed_out",
  4103: "room_closed",
  4110: "bad_message",
  4111: "too_many_messages",
  4113: "too_large",
};

const BACKOFF_BASE_MS = 500;
const BACKOFF_CAP_MS = 15_000;
/** A socket that lasted this long was no failed attempt: the next loss starts at the short waits again. */
const STEADY_MS = 10_000;
const CONNECT_LIMIT_MS = 10_000;
const PING_EVERY_MS = 20_000;
/** The first exchanges come quickly, so that the clock is good before the first countdown is looked at. */
const FIRST_PINGS_MS = [0, 400, 1_200];
const PONG_LIMIT_MS = 8_000;
/** After sleep a dead socket looks alive: a short question tells. */
const WAKE_PONG_LIMIT_MS = 2_500;
const MAX_DRAIN_MS = 60_000;

interface Wire {
  t: string;
  k?: string;
  v?: number;
  o?: number;
  d?: unknown;
}

interface Entry {
  version: number;
  value: Signal<unknown>;
}

type Handler = (data: never, key: string) => void;

export interface RoomOptions {
  url?: string;
  /** Called for each event that changed something, after the state has it. */
  onEvent?: <T extends EventType>(type: T, key: string, data: EventPayloads[T]) => void;
}

export class Room {
  readonly phase: Signal<RoomPhase> = signal("connecting");
  readonly closeReason: Signal<CloseReason | null> = signal(null);
  /** When the next attempt starts (performance.now()), while waiting. */
  readonly retryAt: Signal<number> = signal(0);

  private socket: WebSocket | null = null;
  private readonly entries = new Map<string, Entry>();
  private readonly handlers = new Map<string, Set<Handler>>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private pongTimer: ReturnType<typeof setTimeout> | undefined;
  private epoch = "";
  private offset = -1;
  private attempt = 0;
  private joinedAt = 0;
  private wanted = false;

  constructor(
    private readonly show: string,
    private readonly options: RoomOptions = {},
  ) {}

  /** Joins, and keeps joining, until close(). A second call does nothing. */
  open(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.closeReason.value = null;
    addEventListener("online", this.onOnline);
    addEventListener("offline", this.onOffline);
    addEventListener("pageshow", this.onPageShow);
    addEventListener("pagehide", this.onPageHide);
    document.addEventListener("visibilitychange", this.onVisible);
    this.connect();
  }

  close(): void {
    if (!this.wanted) return;
    this.wanted = false;
    removeEventListener("online", this.onOnline);
    removeEventListener("offline", this.onOffline);
    removeEventListener("pageshow", this.onPageShow);
    removeEventListener("pagehide", this.onPageHide);
    document.removeEventListener("visibilitychange", this.onVisible);
    this.drop();
  }

  /** The newest value of a key as a signal; undefined until the server has said one. */
  state<T extends EventType>(type: T, key: string): ReadonlySignal<EventPayloads[T] | undefined> {
    return this.entry(type, key).value as Signal<EventPayloads[T] | undefined>;
  }

  /** The version of that value, 0 when there is none: a document read over HTTP with a lower version is older. */
  version(type: EventType, key: string): number {
    return this.entries.get(entryKey(type, key))?.version ?? 0;
  }

  /** Hears each change of a type, from snapshots too. Returns the way off. */
  on<T extends EventType>(type: T, handler: (data: EventPayloads[T], key: string) => void): () => void {
    const set = this.handlers.get(type) ?? new Set();
    this.handlers.set(type, set);
    set.add(handler as Handler);
    return () => set.delete(handler as Handler);
  }

  /** Tries at once, for a person who does not want to wait. */
  retryNow(): void {
    if (this.wanted && this.phase.peek() === "waiting") this.connect();
  }

  private connect(): void {
    this.drop();
    this.phase.value = "connecting";
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.options.url ?? defaultURL());
    } catch {
      this.wait(jitter(this.attempt++, BACKOFF_BASE_MS, BACKOFF_CAP_MS));
      return;
    }
    this.socket = socket;
    this.after(CONNECT_LIMIT_MS, () => {
      if (this.phase.peek() === "connecting") this.lost();
    });
    // Callbacks of a socket that was given up are not heard: there is never more than one.
    const mine = (): boolean => this.socket === socket;
    socket.onopen = () => {
      if (!mine()) return;
      const resume = this.epoch ? { epoch: this.epoch, o: this.offset } : {};
      socket.send(JSON.stringify({ t: "join", room: this.show, ...resume }));
    };
    socket.onmessage = ({ data }) => {
      if (mine() && typeof data === "string") this.heard(data);
    };
    socket.onclose = (event) => {
      if (mine()) this.closed(event.code, event.reason);
    };
  }

  private heard(text: string): void {
    let frame: Wire;
    try {
      frame = JSON.parse(text) as Wire;
    } catch {
      return; // Not of this protocol; the next frame may be.
    }
    switch (frame.t) {
      case "joined":
        this.joined(frame as Wire & { epoch: string; resumed: boolean });
        break;
      case "pong":
        this.pong(frame as Wire & { c: number; r: number; s: number });
        break;
      case "tick":
        if (Array.isArray(frame.d)) this.applyAll(frame.d as Wire[]);
        this.passed(frame.o);
        break;
      default:
        this.applyAll([frame]);
        this.passed(frame.o);
    }
  }

  private joined(frame: Wire & { epoch: string; resumed: boolean }): void {
    const events = Array.isArray(frame.d) ? (frame.d as Wire[]) : [];
    if (!frame.resumed) this.replaceAll(events);
    this.epoch = frame.epoch;
    if (!frame.resumed || this.offset < 0) this.offset = frame.o ?? -1;
    // A viewer that lagged gets a second snapshot in the same connection; its pings are running already.
    if (this.phase.peek() === "joined") return;
    this.joinedAt = performance.now();
    this.phase.value = "joined";
    for (const ms of FIRST_PINGS_MS) this.after(ms, () => this.ping(PONG_LIMIT_MS));
    const again = (): void => {
      this.ping(PONG_LIMIT_MS);
      this.after(PING_EVERY_MS, again);
    };
    this.after(PING_EVERY_MS, again);
  }

  /** A snapshot is the whole truth up to its version: what it does not name, and is not newer, is gone. */
  private replaceAll(events: Wire[]): void {
    const floor = events.reduce((top, event) => Math.max(top, event.v ?? 0), 0);
    const named = new Set(events.map((event) => entryKey(event.t, event.k ?? "")));
    batch(() => {
      for (const [key, entry] of this.entries) {
        if (named.has(key) || entry.version > floor) continue;
        entry.version = 0;
        entry.value.value = undefined;
      }
      this.applyAll(events);
    });
  }

  private applyAll(events: Wire[]): void {
    const changed: Wire[] = [];
    batch(() => {
      for (const event of events) {
        if (typeof event.t !== "string" || typeof event.v !== "number") continue;
        const entry = this.entry(event.t, event.k ?? "");
        if (event.v <= entry.version) continue;
        entry.version = event.v;
        entry.value.value = event.d;
        changed.push(event);
      }
      for (const event of changed) this.tell(event);
    });
  }

  private tell(event: Wire): void {
    this.options.onEvent?.(event.t as EventType, event.k ?? "", event.d as never);
    for (const handler of this.handlers.get(event.t) ?? []) handler(event.d as never, event.k ?? "");
  }

  private passed(offset: number | undefined): void {
    if (typeof offset === "number" && offset > this.offset) this.offset = offset;
  }

  private entry(type: string, key: string): Entry {
    const id = entryKey(type, key);
    let found = this.entries.get(id);
    if (!found) {
      found = { version: 0, value: signal<unknown>(undefined) };
      this.entries.set(id, found);
    }
    return found;
  }

  private ping(limitMs: number): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ t: "ping", c: Math.round(performance.now()) }));
    clearTimeout(this.pongTimer);
    this.pongTimer = setTimeout(() => this.lost(), limitMs);
  }

  private pong(frame: { c: number; r: number; s: number }): void {
    clearTimeout(this.pongTimer);
    addClockSample(frame.c, frame.r, frame.s, performance.now());
  }

  /** The line is gone, or was given up: come back after a random while. */
  private lost(): void {
    if (!this.wanted) return;
    if (this.phase.peek() === "joined" && performance.now() - this.joinedAt > STEADY_MS) this.attempt = 0;
    this.wait(jitter(this.attempt++, BACKOFF_BASE_MS, BACKOFF_CAP_MS));
  }

  private closed(code: number, reason: string): void {
    const final = FINAL_CODES[code];
    if (final) {
      this.close();
      this.closeReason.value = final;
      this.phase.value = "closed";
      return;
    }
    const drain = reconnectAfter(reason);
    if (drain === null) this.lost();
    else this.wait(drain);
  }

  private wait(ms: number): void {
    this.drop();
    this.phase.value = "waiting";
    this.retryAt.value = performance.now() + ms;
    this.after(ms, () => this.connect());
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    clearTimeout(this.pongTimer);
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
  }

  /** A timer that ends with the connection it belongs to. */
  private after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  private readonly onOnline = (): void => this.retryNow();
  private readonly onOffline = (): void => {
    // Browsers say "offline" truthfully: waiting for a dead socket to notice would take its whole timeout.
    if (this.phase.peek() !== "waiting") this.lost();
  };
  private readonly onVisible = (): void => {
    if (document.visibilityState !== "visible") return;
    distrustClock();
    if (this.phase.peek() === "joined") this.ping(WAKE_PONG_LIMIT_MS);
    else this.retryNow();
  };
  private readonly onPageHide = (): void => {
    // An open socket keeps a page out of the back/forward cache.
    this.drop();
    this.phase.value = "waiting";
  };
  private readonly onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted) this.connect();
  };
}

function entryKey(type: string, key: string): string {
  return `${type} ${key}`;
}

function defaultURL(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
}

/** A node that leaves gives each viewer its own moment to come back. */
function reconnectAfter(reason: string): number | null {
  try {
    const after = (JSON.parse(reason) as { reconnect_after?: unknown }).reconnect_after;
    return typeof after === "number" && after >= 0 ? Math.min(after, MAX_DRAIN_MS) : null;
  } catch {
    return null;
  }
}
