// One line to a show's room, kept: it comes back by itself after a loss, wakes with the page, and is never two. It is a
// WebSocket, or an event stream where those are blocked (way.ts).

import { signal, type Signal } from "@preact/signals";
import { openSocket, type Carrier, type CarrierPort, type Greeting } from "./carriers";
import { addClockSample, distrustClock } from "./clock";
import { jitter } from "./http";
import { WayChoice } from "./way";

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
/** A line that lasted this long was no failed attempt: the next loss starts at the short waits again. */
const STEADY_MS = 10_000;
const CONNECT_LIMIT_MS = 10_000;
/** Nobody waits longer for a socket than this who has a stream to go back to. */
const DOUBT_LIMIT_MS = 4_000;
const DOUBT_AGAIN_MS = 5_000;
/** From here on a close code is the server's own: some line has reached it. */
const FIRST_OWN_CODE = 4000;
const PING_EVERY_MS = 20_000;
/** The first exchanges come quickly, so that the clock is good before the first countdown is looked at. */
const FIRST_PINGS_MS = [0, 400, 1_200];
const PONG_LIMIT_MS = 8_000;
/** After sleep a dead line looks alive: a short question tells. */
const WAKE_PONG_LIMIT_MS = 2_500;
const MAX_DRAIN_MS = 60_000;
/** A timer that comes this much too late was held back, or slept with the machine. */
const LATE_MS = 1_000;
const NAP_LOOK_MS = 2_000;
const NAP_MS = 5_000;

/** A frame of the room's protocol; which members it has depends on `t`. */
export interface Wire {
  t: string;
  k?: string;
  v?: number;
  o?: number;
  d?: unknown;
  s?: unknown;
}

export interface LinePort {
  greet(): Greeting;
  heard(frame: Wire): void;
  /** The line is gone: what was asked on it stays unanswered. */
  broke(): void;
  /** Whether anything that was asked waits for its answer. */
  busy(): boolean;
}

export interface Addresses {
  socket: string;
  stream: string;
}

export class KeptLine {
  readonly phase: Signal<RoomPhase> = signal("connecting");
  readonly closeReason: Signal<CloseReason | null> = signal(null);
  /** When the next attempt starts (performance.now()), while waiting. */
  readonly retryAt: Signal<number> = signal(0);

  private carrier: Carrier | null = null;
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private pongTimer: ReturnType<typeof setTimeout> | undefined;
  private napTimer: ReturnType<typeof setInterval> | undefined;
  /** The last question's timer came late, so that its verdict was not believed; the next one's is. */
  private doubted = false;
  private attempt = 0;
  private joinedAt = 0;
  private wanted = false;

  constructor(
    private readonly port: LinePort,
    private readonly addresses: Addresses = ownAddresses(),
    private readonly way: WayChoice = new WayChoice(),
  ) {}

  /** Connects, and keeps connecting, until close(). A second call does nothing. */
  open(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.closeReason.value = null;
    addEventListener("online", this.onOnline);
    addEventListener("offline", this.onOffline);
    addEventListener("pageshow", this.onPageShow);
    addEventListener("pagehide", this.onPageHide);
    document.addEventListener("visibilitychange", this.onVisible);
    // Fired by browsers that freeze pages in the background.
    document.addEventListener("resume", this.wake);
    this.watchForNaps();
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
    document.removeEventListener("resume", this.wake);
    clearInterval(this.napTimer);
    this.drop();
  }

  /** Tries at once, for a person who does not want to wait. */
  retryNow(): void {
    if (this.wanted && this.phase.peek() === "waiting") this.connect();
  }

  /** For a person who is somebody else now: a line is of whoever its cookies named. */
  again(): void {
    if (this.wanted && this.phase.peek() !== "waiting") this.connect();
  }

  /** It stands, and is a WebSocket. */
  get bySocket(): boolean {
    return this.phase.peek() === "joined" && this.way.taken === "socket";
  }

  /** false: nothing was sent, since there is no room at the other end right now. */
  send(frame: object): boolean {
    return this.phase.peek() === "joined" && this.carrier !== null && this.carrier.send(frame);
  }

  /** The room has answered the first words. Said again on the same line, it changes nothing. */
  joined(): void {
    if (this.phase.peek() === "joined") return;
    this.joinedAt = performance.now();
    this.phase.value = "joined";
    for (const ms of FIRST_PINGS_MS) this.after(ms, () => this.ping(PONG_LIMIT_MS));
    const again = (): void => {
      this.ping(PONG_LIMIT_MS);
      this.after(PING_EVERY_MS, again);
    };
    this.after(PING_EVERY_MS, again);
    const doubt = this.way.doubtIn;
    if (doubt !== null) this.after(doubt, () => this.doubt());
  }

  /** A stream that has carried for long: does a socket open again? Resuming loses nothing, but an answer under way would be. */
  private doubt(): void {
    if (this.port.busy()) return this.after(DOUBT_AGAIN_MS, () => this.doubt());
    this.attempt = 0;
    this.connect();
  }

  private connect(): void {
    this.drop();
    this.phase.value = "connecting";
    const way = this.way.next();
    // Callbacks of a line that was given up are not heard: there is never more than one.
    let carrier: Carrier | null = null;
    const mine = (): boolean => carrier !== null && this.carrier === carrier;
    let opened = false;
    const open = (): void => {
      if (opened) return;
      opened = true;
      this.way.opened();
    };
    const port: CarrierPort = {
      greet: () => this.port.greet(),
      heard: (text) => {
        if (!mine()) return;
        open(); // Not before: some proxies open a socket and carry nothing.
        this.heard(text);
      },
      ended: (code, reason) => {
        if (!mine()) return;
        if (code >= FIRST_OWN_CODE) open();
        if (opened) this.closed(code, reason);
        else this.refused();
      },
      // A server that is full refuses sockets too, which says nothing of the network. All who hear this come back apart.
      putOff: (ms) => {
        if (!mine()) return;
        this.way.fresh();
        this.wait(ms + jitter(this.attempt++, BACKOFF_BASE_MS, BACKOFF_CAP_MS));
      },
    };
    try {
      carrier = way === "socket" ? openSocket(this.addresses.socket, port) : openStream(this.addresses.stream, port);
    } catch {
      return this.refused();
    }
    this.carrier = carrier;
    this.after(this.way.doubting ? DOUBT_LIMIT_MS : CONNECT_LIMIT_MS, () => {
      if (this.phase.peek() !== "connecting") return;
      if (opened) this.lost();
      else this.refused();
    });
  }

  /** An attempt that has not become a line: the next one later; at once only back to the stream that was left to ask. */
  private refused(): void {
    if (!this.wanted) return;
    if (this.way.failed()) this.connect();
    else this.lost();
  }

  private heard(text: string): void {
    // Whatever it says, the line is alive.
    clearTimeout(this.pongTimer);
    this.doubted = false;
    let frame: Wire;
    try {
      frame = JSON.parse(text) as Wire;
    } catch {
      return; // Not of this protocol; the next frame may be.
    }
    if (frame?.t === "pong") {
      const { c, r, s } = frame as unknown as { c: number; r: number; s: number };
      addClockSample(c, r, s, performance.now());
    } else if (typeof frame?.t === "string") this.port.heard(frame);
  }

  private ping(limitMs: number): void {
    if (!this.carrier?.send({ t: "ping", c: Math.floor(performance.now()) })) return;
    clearTimeout(this.pongTimer);
    const due = performance.now() + limitMs;
    this.pongTimer = setTimeout(() => {
      // The answer may lie unread behind a timer that slept: ask once more before giving the line up.
      if (performance.now() <= due + LATE_MS || this.doubted) return this.lost();
      this.doubted = true;
      this.ping(WAKE_PONG_LIMIT_MS);
    }, limitMs);
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
    const carrier = this.carrier;
    this.carrier = null;
    clearTimeout(this.pongTimer);
    this.doubted = false;
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    if (!carrier) return;
    carrier.close();
    this.port.broke();
  }

  /** A timer that ends with the connection it belongs to. */
  private after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
  }

  /** A machine that slept tells nobody: either of its clocks has jumped, or our timer comes far too late. */
  private watchForNaps(): void {
    let steady = performance.now();
    let wall = Date.now();
    clearInterval(this.napTimer);
    this.napTimer = setInterval(() => {
      const passed = Math.max(performance.now() - steady, Date.now() - wall);
      steady = performance.now();
      wall = Date.now();
      if (passed > NAP_LOOK_MS + NAP_MS) this.wake();
    }, NAP_LOOK_MS);
  }

  /** Back from sleep, or from another tab: is the line still one, and what time is it? */
  private readonly wake = (): void => {
    distrustClock();
    this.way.fresh();
    if (this.phase.peek() === "joined") this.ping(WAKE_PONG_LIMIT_MS);
    else this.retryNow();
  };

  private readonly onOnline = (): void => {
    this.way.fresh();
    this.retryNow();
  };
  private readonly onOffline = (): void => {
    // Browsers say "offline" truthfully: waiting for a dead line to notice would take its whole timeout.
    if (this.phase.peek() !== "waiting") this.lost();
  };
  private readonly onVisible = (): void => {
    if (document.visibilityState === "visible") this.wake();
  };
  private readonly onPageHide = (): void => {
    // An open line keeps a page out of the back/forward cache.
    this.drop();
    this.phase.value = "waiting";
  };
  private readonly onPageShow = (event: PageTransitionEvent): void => {
    if (event.persisted) this.wake();
  };
}

/** Few need it, and nobody else should wait for its code. */
function openStream(path: string, port: CarrierPort): Carrier {
  let carrier: Carrier | null = null;
  let over = false;
  import("./eventstream").then(
    ({ openEventStream }) => over || (carrier = openEventStream(path, port)),
    () => over || port.ended(1006, ""),
  );
  return {
    send: (frame) => carrier !== null && carrier.send(frame),
    close: () => {
      over = true;
      carrier?.close();
    },
  };
}

function ownAddresses(): Addresses {
  return { socket: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, stream: "/events" };
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
