// Watching a show over WHEP: one session at a time, kept up through broken lines, moved nodes and creators who are not
// there yet. What the server says for good (ended, banned, unknown) stops it; everything else is tried again.

import { signal, type Signal } from "@preact/signals";
import { ApiError, jitter, patience, refusal, sleep } from "./http";
import type { Line, LineMeter } from "./line";

export type WatchPhase =
  | "idle"
  | "connecting"
  /** The show has no picture yet; asked again by itself. */
  | "not_live"
  /** Many come at once and the server lets them in one after the other; asked again by itself when it said. */
  | "in_line"
  | "playing"
  /** The line broke; the last picture may stay on the screen. */
  | "reconnecting"
  | "ended"
  /** For good: `refused` says why. */
  | "refused";

/** Host candidates are there in milliseconds; the server learns the rest from our checks. */
const GATHER_MS = 300;
const POST_LIMIT_MS = 10_000;
const CONNECT_LIMIT_MS = 12_000;
/** ICE calls a path disconnected after some seconds of silence; it may come back by itself within this time. */
const DISCONNECTED_GRACE_MS = 2_500;
const ANSWER_LIMIT = 256 * 1024;
const NOT_LIVE_MS = 2_000;
const BUSY_MS = 2_000;
const STEADY_MS = 10_000;
const STATS_MS = 1_000;
/** Without a packet for this long, a sign that the server restarted is believed at once. */
const SILENT_MS = 1_500;

interface Session {
  pc: RTCPeerConnection;
  /** Where to say goodbye; null until the server made the session. */
  resource: string | null;
}

export class Watcher {
  readonly phase: Signal<WatchPhase> = signal("idle");
  /** What to play. Changes only when a new session's first track arrives, so that the last picture can stay until then. */
  readonly stream: Signal<MediaStream | null> = signal(null);
  readonly line: Signal<Line> = signal("measuring");
  readonly refused: Signal<ApiError | null> = signal(null);

  private stopper: AbortController | null = null;
  private session: Session | null = null;
  private nudge: (() => void) | null = null;
  private endSession: (() => void) | null = null;
  /** Comes after the picture: nothing to measure before. */
  private meter: LineMeter | null = null;

  constructor(private readonly url: string) {}

  /** Watches until stop(); a second call does nothing. */
  start(): void {
    if (this.stopper) return;
    this.stopper = new AbortController();
    this.refused.value = null;
    addEventListener("pagehide", this.onPageHide);
    addEventListener("pageshow", this.onPageShow);
    addEventListener("online", this.onOnline);
    void this.run(this.stopper.signal);
  }

  stop(): void {
    removeEventListener("pagehide", this.onPageHide);
    removeEventListener("pageshow", this.onPageShow);
    removeEventListener("online", this.onOnline);
    this.halt();
    if (this.phase.peek() !== "ended" && this.phase.peek() !== "refused") this.phase.value = "idle";
  }

  /** Something says that trying now may work (the creator went on air): ends a wait early. A place in line is kept. */
  kick(): void {
    if (this.phase.peek() !== "in_line") this.nudge?.();
  }

  /** Something says that the server may have restarted: a session without packets is given up at once. */
  suspect(): void {
    if (this.meter && this.meter.silentFor() > SILENT_MS) this.endSession?.();
    this.kick();
  }

  /** The RTP timestamp of the frame that came last; null when there is none, or the browser does not say. */
  timestamp(): number | null {
    const receiver = this.session?.pc.getReceivers().find(({ track }) => track.kind === "video");
    return receiver?.getSynchronizationSources()[0]?.rtpTimestamp ?? null;
  }

  private async run(signal: AbortSignal): Promise<void> {
    let attempt = 0;
    this.phase.value = "connecting";
    while (!signal.aborted) {
      const began = performance.now();
      let waitMs: number;
      try {
        await this.watchOnce(signal);
        if (performance.now() - began > STEADY_MS) attempt = 0;
        this.phase.value = "reconnecting";
        waitMs = jitter(attempt++);
      } catch (error) {
        if (signal.aborted) return;
        const next = this.judge(error, attempt++);
        if (next === null) return;
        waitMs = next;
      }
      await this.pause(waitMs, signal);
    }
  }

  /** What a refusal means for the next try: milliseconds to wait, or null for never. */
  private judge(error: unknown, attempt: number): number | null {
    const known = error instanceof ApiError ? error : new ApiError(0, "unreachable", "The video cannot be reached right now.");
    if (known.code === "not_live") {
      this.phase.value = "not_live";
      // Spread: everybody who waits for this show was told the same number.
      return (patience(known.retryAfterMs) ?? NOT_LIVE_MS) * (0.75 + Math.random() / 2);
    }
    if (known.code === "busy") {
      this.phase.value = "in_line";
      // The server told each another time; it says so in whole seconds, which jitter takes apart.
      return (patience(known.retryAfterMs) ?? BUSY_MS) + jitter(0, 1_000);
    }
    const again = known.status === 0 || known.status === 429 || known.status >= 500;
    if (again) {
      if (this.phase.peek() === "playing" || this.phase.peek() === "not_live" || this.phase.peek() === "in_line") this.phase.value = "reconnecting";
      return (patience(known.retryAfterMs) ?? 0) + jitter(attempt);
    }
    this.refused.value = known;
    this.phase.value = known.status === 410 ? "ended" : "refused";
    this.halt();
    return null;
  }

  /** One session from offer to end. Resolves when it broke; throws when it could not begin. */
  private async watchOnce(signal: AbortSignal): Promise<void> {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const session: Session = { pc, resource: null };
    this.session = session;
    this.meter = null;
    const stats = setInterval(() => void this.measure(pc), STATS_MS);
    try {
      const broken = this.untilBroken(pc, signal);
      pc.addTransceiver("video", { direction: "recvonly" });
      pc.addTransceiver("audio", { direction: "recvonly" });
      this.showWhenItPlays(pc);
      await pc.setLocalDescription(await pc.createOffer());
      await gathered(pc, GATHER_MS);
      const { answer, resource } = await this.post(pc.localDescription?.sdp ?? "", signal);
      session.resource = resource;
      if (signal.aborted) return;
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
      await broken;
    } finally {
      clearInterval(stats);
      this.endSession = null;
      leave(session);
      if (this.session === session) this.session = null;
    }
  }

  private async post(offer: string, signal: AbortSignal): Promise<{ answer: string; resource: string | null }> {
    const limit = new AbortController();
    const stop = (): void => limit.abort();
    const timer = setTimeout(stop, POST_LIMIT_MS);
    signal.addEventListener("abort", stop);
    try {
      const response = await fetch(this.url, {
        method: "POST",
        // Watching needs no sign-in, but a ban must find who watches.
        credentials: "include",
        headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
        body: offer,
        signal: limit.signal,
      });
      if (response.status !== 201) throw await refusal(response);
      const location = response.headers.get("Location");
      const answer = await response.text();
      if (answer.length > ANSWER_LIMIT) throw new ApiError(0, "answer_too_large", "The server's answer makes no sense.");
      // After a redirect the session lives on the node that answered, so that is where its address starts.
      return { answer, resource: location ? new URL(location, response.url).href : null };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  private showWhenItPlays(pc: RTCPeerConnection): void {
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => {
      stream.addTrack(track);
      const arrived = (): void => {
        if (this.session?.pc !== pc) return;
        this.stream.value = stream;
        this.phase.value = "playing";
      };
      // A track unmutes with its first packet; until then the old picture is better than none.
      if (track.kind === "video") track.addEventListener("unmute", arrived, { once: true });
    };
  }

  private untilBroken(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(limit);
        clearTimeout(grace);
        signal.removeEventListener("abort", done);
        resolve();
      };
      let grace: ReturnType<typeof setTimeout> | undefined;
      const limit = setTimeout(() => pc.connectionState !== "connected" && done(), CONNECT_LIMIT_MS);
      this.endSession = done;
      signal.addEventListener("abort", done);
      pc.onconnectionstatechange = () => {
        clearTimeout(grace);
        const state = pc.connectionState;
        if (state === "failed" || state === "closed") done();
        if (state === "disconnected") grace = setTimeout(done, DISCONNECTED_GRACE_MS);
      };
    });
  }

  private async measure(pc: RTCPeerConnection): Promise<void> {
    try {
      const { LineMeter } = await import("./line");
      const stats = await pc.getStats();
      if (this.session?.pc === pc) this.line.value = (this.meter ??= new LineMeter()).read(stats, performance.now());
    } catch {
      // A closed connection has no line to measure.
    }
  }

  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    const early = new AbortController();
    const stop = (): void => early.abort();
    signal.addEventListener("abort", stop);
    this.nudge = stop;
    await sleep(ms, early.signal).catch(() => undefined);
    this.nudge = null;
    signal.removeEventListener("abort", stop);
  }

  private halt(): void {
    this.stopper?.abort();
    this.stopper = null;
    if (this.session) leave(this.session);
    this.session = null;
  }

  private readonly onOnline = (): void => this.suspect();
  private readonly onPageHide = (): void => this.halt();
  private readonly onPageShow = (event: PageTransitionEvent): void => {
    if (!event.persisted || this.stopper) return;
    this.stopper = new AbortController();
    void this.run(this.stopper.signal);
  };
}

/** Tells the server and frees the connection. keepalive: the page may be going away. Twice is once. */
function leave(session: Session): void {
  session.pc.onconnectionstatechange = null;
  session.pc.ontrack = null;
  session.pc.close();
  const resource = session.resource;
  session.resource = null;
  if (!resource) return;
  fetch(resource, { method: "DELETE", credentials: "include", keepalive: true }).catch(() => {
    // The server notices a silent viewer by itself, only later.
  });
}

function gathered(pc: RTCPeerConnection, limitMs: number): Promise<void> {
  if (pc.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs);
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}
