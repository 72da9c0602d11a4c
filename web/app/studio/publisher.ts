// Keeps a show on air: publishes, and publishes again when the line or the server dies, until the creator says stop.
// It owns one loop at a time. Everything it needs of the world comes in as a port, so that tests can be the world.

import { signal, type Signal } from "@preact/signals";
import { ApiError, jitter } from "../shared/http";
import { publish as whipPublish, type Profile, type Session, type Tracks } from "./whip";
import { LineJudge, MEASURING, readCounters, type LineReport } from "./quality";

export type Phase =
  | { name: "idle" }
  | { name: "connecting"; again: boolean }
  | { name: "live" }
  /** Waiting before the next try; `at` is in performance.now() time. */
  | { name: "waiting"; at: number; why: string }
  /** The server ended our session; we are asking whether someone else of this account took over. */
  | { name: "checking" }
  | { name: "elsewhere" }
  | { name: "over" }
  | { name: "refused"; code: string; words: string };

export interface Ticket {
  whip_url: string;
  token: string;
}

export interface Ports {
  ticket(signal: AbortSignal): Promise<Ticket>;
  /** The show as the server sees it; rejects when the server cannot be reached. */
  look(signal: AbortSignal): Promise<"on_air" | "off_air" | "ended">;
  publish?: typeof whipPublish;
}

/** The server keeps a show on air for 5 s after its publisher left; still on air after this many looks, someone else publishes. */
const LOOKS = 8;
const LOOK_EVERY_MS = 1_000;
const STATS_EVERY_MS = 1_000;
/** Readings without a byte from the server after which a suspicion is believed. */
const QUIET_READINGS = 2;
/** A server may ask for patience, but a creator on stage is never parked for longer than this. */
const RETRY_AFTER_CAP_MS = 30_000;
/** The first try after a break comes at once (within the jitter of attempt 0); later ones back off. */
const BACKOFF_BASE_MS = 400;

export class Publisher {
  readonly phase: Signal<Phase> = signal<Phase>({ name: "idle" });
  readonly line: Signal<LineReport> = signal(MEASURING);
  private readonly whip: typeof whipPublish;
  private run: { abort: AbortController; done: Promise<void> } | null = null;
  private session: Session | null = null;
  private wake: (() => void) | null = null;
  private suspected = false;

  constructor(
    private readonly ports: Ports,
    /** Read at every (re)publish and mutated by the owner through `replace`. */
    private readonly tracks: () => Tracks,
    private readonly profile: Profile,
    /** Whether few bits are normal now: a screen or a slate, not a camera. */
    private readonly still: () => boolean,
  ) {
    this.whip = ports.publish ?? whipPublish;
  }

  /** Goes live and stays live. Also the answer to "Take back". Does nothing while a run is under way. */
  start(): void {
    if (this.run) return;
    const abort = new AbortController();
    const done = this.loop(abort.signal)
      .catch((error: unknown) => {
        if (!abort.signal.aborted) this.phase.value = { name: "refused", code: "unexpected", words: `Something unexpected happened: ${String(error)}` };
      })
      .finally(() => {
        if (this.run?.abort === abort) this.run = null;
        this.line.value = MEASURING;
      });
    this.run = { abort, done };
  }

  /** Leaves the air: ends the session at the server (DELETE) and resolves when it is told. */
  async stop(): Promise<void> {
    const run = this.run;
    this.run = null;
    run?.abort.abort();
    const session = this.session;
    this.session = null;
    await session?.close();
    await run?.done;
    this.phase.value = { name: "idle" };
  }

  leavePage(): void {
    this.session?.closeOnPageHide();
  }

  /** Another tab of this browser says that it publishes now. */
  yieldTo(): void {
    void this.stop().then(() => (this.phase.value = { name: "elsewhere" }));
  }

  /** Something good happened (online again, socket joined): do not sit out the rest of a wait. */
  nudge(): void {
    this.wake?.();
  }

  /** The server may have died and come back: do not wait for ICE to notice if nothing comes back from it. */
  suspect(): void {
    this.suspected = true;
    this.nudge();
  }

  /** Swaps what is sent, without renegotiation: viewers see a cut, never a reconnect. */
  async replace(kind: "audio" | "video", track: MediaStreamTrack | null): Promise<void> {
    // A session that ends meanwhile takes its senders along; the next one reads the tracks afresh.
    await this.session?.[kind].replaceTrack(track).catch(() => undefined);
  }

  private async loop(stop: AbortSignal): Promise<void> {
    let attempt = 0;
    let again = false;
    while (!stop.aborted) {
      this.phase.value = { name: "connecting", again };
      let outcome: Outcome;
      try {
        outcome = await this.once(stop);
      } catch (error) {
        if (stop.aborted) return;
        outcome = judge(error);
      }
      if (stop.aborted) return;
      if (outcome.wasLive) attempt = 0;
      if (outcome.next === "done") {
        this.phase.value = outcome.phase;
        return;
      }
      again = true;
      await this.pause(outcome, attempt++, stop);
    }
  }

  /** One session from ticket to end. */
  private async once(stop: AbortSignal): Promise<Outcome> {
    const ticket = await this.ports.ticket(stop);
    const session = await this.whip(ticket.whip_url, ticket.token, this.tracks(), this.profile, stop);
    if (stop.aborted) {
      await session.close();
      return { next: "retry", wasLive: false, why: "" };
    }
    this.session = session;
    this.suspected = false;
    let measuring: ReturnType<typeof setInterval> | undefined;
    try {
      // A track may have been swapped while the server was answering.
      const now = this.tracks();
      await Promise.all([session.video.replaceTrack(now.video), session.audio.replaceTrack(now.audio)]);
      const up = await Promise.race([session.connected.then(() => true), session.ended.then(() => false)]);
      if (up && !stop.aborted) {
        this.phase.value = { name: "live" };
        measuring = this.measure(session);
      }
      const reason = await session.ended;
      if (reason === "closed_by_server" && !stop.aborted) return await this.whoIsOn(stop);
      return { next: "retry", wasLive: up, why: "The line to the server broke." };
    } finally {
      clearInterval(measuring);
      if (this.session === session) this.session = null;
      this.line.value = MEASURING;
      void session.close();
    }
  }

  private measure(session: Session): ReturnType<typeof setInterval> {
    const judge = new LineJudge();
    let received = -1;
    let quiet = 0;
    return setInterval(() => {
      void readCounters(session.pc).then((counters) => {
        if (!counters || this.session !== session) return;
        this.line.value = judge.next(counters, this.profile.maxBitrate, this.still());
        quiet = counters.received === received ? quiet + 1 : 0;
        received = counters.received;
        if (quiet === 0) this.suspected = false;
        else if (this.suspected && quiet >= QUIET_READINGS) session.giveUp();
      });
    }, STATS_EVERY_MS);
  }

  /** A clean close is a takeover when the show stays on air without us past the grace time; else we simply go on. */
  private async whoIsOn(stop: AbortSignal): Promise<Outcome> {
    this.phase.value = { name: "checking" };
    for (let look = 1; ; look++) {
      try {
        const seen = await this.ports.look(stop);
        if (seen === "ended") return { next: "done", wasLive: true, phase: { name: "over" } };
        if (seen === "off_air") return { next: "retry", wasLive: true, why: "The server ended the stream." };
      } catch (error) {
        if (stop.aborted) throw error;
        return { next: "retry", wasLive: true, why: "The server is restarting." };
      }
      if (look === LOOKS) return { next: "done", wasLive: true, phase: { name: "elsewhere" } };
      await this.sleep(LOOK_EVERY_MS, stop);
    }
  }

  private async pause(outcome: Retry, attempt: number, stop: AbortSignal): Promise<void> {
    // Full jitter, so that a thousand creators do not return in step; a server's Retry-After is the floor.
    const wait = Math.min(outcome.retryAfterMs ?? 0, RETRY_AFTER_CAP_MS) + jitter(attempt, BACKOFF_BASE_MS);
    this.phase.value = { name: "waiting", at: performance.now() + wait, why: outcome.why };
    await this.sleep(wait, stop);
  }

  private sleep(ms: number, stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        stop.removeEventListener("abort", finish);
        if (this.wake === finish) this.wake = null;
        resolve();
      };
      const timer = setTimeout(finish, ms);
      stop.addEventListener("abort", finish, { once: true });
      this.wake = finish;
    });
  }
}

interface Retry {
  next: "retry";
  wasLive: boolean;
  why: string;
  retryAfterMs?: number | null;
}
type Outcome = Retry | { next: "done"; wasLive: boolean; phase: Phase };

/** Which refusals end the trying, and what to say. Anything not listed is tried again. */
const FINAL: Record<string, string> = {
  forbidden: "This account may not go live in this show.",
  show_unknown: "This show does not exist any more.",
  publisher_present: "Somebody else is live in this show. Ask them to stop, then try again.",
  no_common_codec: "This browser and the server share no video format. Try a current Chrome, Edge, Firefox or Safari.",
  sdp_invalid: "The server did not understand this browser's offer. Try another browser, or OBS.",
  answer_invalid: "The server's answer cannot be used by this browser. Try another browser, or OBS.",
  banned: "This account may not go live in this show.",
};

export function judge(error: unknown): Outcome {
  const { status, code, retryAfterMs } = error instanceof ApiError ? error : { status: 0, code: "unreachable", retryAfterMs: null };
  if (code === "show_ended") return { next: "done", wasLive: false, phase: { name: "over" } };
  if (status === 401) {
    return { next: "done", wasLive: false, phase: { name: "refused", code, words: "You are signed out. Sign in again, and come back to this show." } };
  }
  const final = FINAL[code] ?? (status === 403 ? FINAL.forbidden : status === 404 ? FINAL.show_unknown : undefined);
  if (final) return { next: "done", wasLive: false, phase: { name: "refused", code, words: final } };
  const why = status === 0 ? "The server cannot be reached." : status === 429 || status === 503 ? "The server asks for a moment." : "The server had a problem.";
  return { next: "retry", wasLive: false, why, retryAfterMs };
}
