// What is said in a show, as one page knows it: the newest lines, the own ones under way, and hearts.
//
// A line has the id that the server gave it, so that it is shown once however often it comes. An own line stands at the end
// from the tap on; a try whose answer did not come keeps its id, so that trying again cannot say it twice.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { serverNow } from "../clock";
import type { ChatLine, EventPayloads } from "../events";
import { CallError, newCallId, type Room } from "../realtime";

/** Lines a page keeps; older ones are gone. */
export const MAX_LINES = 200;
/** Of one line, in characters as people count them. */
export const MAX_TEXT = 200;
/** Of a command: it may hold a poll with all its choices. */
export const MAX_COMMAND = 800;
/** Own lines that may wait or have failed. */
export const MAX_PENDING = 5;
/** Hearts are gathered this long and sent as a count. */
const HEART_EVERY_MS = 1_000;
const MAX_HEARTS = 20;
/** When the room does not say how long to wait. */
const PAUSE_MS = 2_000;
/** The server's time of a line may lie this much before the tap that made it: clocks are not that exact. */
const CLOCK_SLACK_MS = 5_000;

/** An own line that the room has not confirmed. */
export interface PendingLine {
  callId: string;
  text: string;
  /** serverNow() of the first try. */
  at: number;
  state: "sending" | "failed";
}

export type Said =
  /** `did`: it was a command, and this is what it did. */
  | { ok: true; did?: string }
  /** The words go back to where they were typed; `problem` says why. */
  | { ok: false; problem: string };

/** Why the last words did not go. */
export interface Problem {
  words: string;
  /** It is over with this wait (performance.now()); 0: when something else is typed. */
  until: number;
}

const NO_PROBLEM: Problem = { words: "", until: 0 };

/** Some hearts that came together. */
export interface HeartBurst {
  /** Rises with each burst. */
  n: number;
  count: number;
}

/** What lines.gone says last. */
class Gone {
  /** Who is banned. */
  readonly authors: ReadonlySet<string>;
  private readonly lines: ReadonlySet<string>;
  /** By author, when their silence ends or ended: what they say before is gone. */
  private readonly until: ReadonlyMap<string, number>;
  private readonly before: number;

  constructor({ lines, authors, earlier = [], before = 0 }: EventPayloads["lines.gone"]) {
    this.lines = new Set(lines);
    this.authors = new Set(authors);
    this.until = new Map(earlier.map(({ subject, before }) => [subject, before]));
    this.before = before;
  }

  /** A line that nobody is to see any more. */
  has({ id, subject, at }: ChatLine): boolean {
    return this.lines.has(id) || at < (this.until.get(subject) ?? 0);
  }

  /** Somebody who may not write just now. */
  silences(subject: string): boolean {
    return this.authors.has(subject) || (this.until.get(subject) ?? 0) > serverNow();
  }

  /** A line that is not shown to who comes: then nobody knows of all who were silenced long ago. */
  hides(line: ChatLine): boolean {
    return this.has(line) || this.authors.has(line.subject) || line.at < this.before;
  }
}

export class ChatLog {
  /** Oldest first. */
  readonly lines: Signal<readonly ChatLine[]> = signal([]);
  readonly pending: Signal<readonly PendingLine[]> = signal([]);
  /** Until then (performance.now()) the room takes no line of this person. */
  readonly waitUntil: Signal<number> = signal(0);
  /** It is slow mode that makes this person wait. */
  readonly slowed: Signal<boolean> = signal(false);
  /** Until then (the server's clock) a moderator lets this person not write; 0: nobody does. */
  readonly heldUntil: Signal<number> = signal(0);
  /** Hosts and moderators: no slow mode, and what begins with a stroke is a command. */
  readonly orders: Signal<boolean> = signal(false);
  /** A moderator took down lines of this person. */
  readonly takenDown: Signal<boolean> = signal(false);
  readonly hearts: Signal<HeartBurst> = signal({ n: 0, count: 0 });
  /** What is being typed. */
  readonly draft: Signal<string> = signal("");
  readonly problem: Signal<Problem> = signal(NO_PROBLEM);
  /** What the last command did. */
  readonly did: Signal<string> = signal("");
  /** Lines that came since the page opened, not counting those from before. For "3 new". */
  readonly heard: Signal<number> = signal(0);
  readonly empty: ReadonlySignal<boolean> = computed(() => this.lines.value.length === 0 && this.pending.value.length === 0);

  private readonly known = new Set<string>();
  private heartsToSend = 0;
  private heartTimer: ReturnType<typeof setTimeout> | undefined;
  private heartsSentAt = -Infinity;
  private readonly release: (() => void)[];
  /** A command whose answer did not come: the same words again are the same call. */
  private unsure: { callId: string; text: string } | null = null;
  /** When the room took the last line (performance.now()). */
  private saidAt = -Infinity;
  private slowSeconds = 0;
  private gone = new Gone({ lines: [], authors: [] });

  /** To be made before the room is opened: what was said before comes with the first answer. `self` names this person. */
  constructor(
    private readonly room: Room,
    private readonly self: () => { subject: string; name: string } | null,
  ) {
    this.release = [
      room.onSampled("chat.line", (lines, recent) => this.hear(lines, recent)),
      room.onSampled("hearts", (bursts, recent) => {
        const count = bursts.reduce((sum, burst) => sum + burst.count, 0);
        if (!recent && count > 0) this.hearts.value = { n: this.hearts.peek().n + 1, count };
      }),
      room.on("lines.gone", (gone) => this.takeDown(gone)),
      room.on("talk.set", ({ slow_seconds }) => this.pace(slow_seconds)),
    ];
  }

  close(): void {
    clearTimeout(this.heartTimer);
    for (const off of this.release) off();
  }

  isMine(line: ChatLine): boolean {
    return line.subject !== "" && line.subject === this.self()?.subject;
  }

  /** How many characters this may have. */
  limitFor(typed: string): number {
    return this.orders.value && typed.trimStart().startsWith("/") ? MAX_COMMAND : MAX_TEXT;
  }

  /** Says what is being typed. Refused, it comes back with the reason, unless something new stands there. */
  async sayDraft(): Promise<void> {
    const text = this.draft.peek();
    batch(() => {
      this.draft.value = "";
      this.problem.value = NO_PROBLEM;
      this.did.value = "";
    });
    const said = await this.say(text);
    if (said.ok) {
      // A line that was said after a command does not hide what that did.
      if (said.did !== undefined) this.did.value = said.did;
      return;
    }
    batch(() => {
      const until = this.waitUntil.peek();
      this.problem.value = { words: said.problem, until: until > performance.now() ? until : 0 };
      if (this.draft.peek() === "") this.draft.value = text;
    });
  }

  /** What was wrong with the last words is not so with others. */
  forgive(): void {
    this.problem.value = NO_PROBLEM;
  }

  /** Says a line. It stands in `pending` until the room has it. */
  async say(typed: string): Promise<Said> {
    const text = tidy(typed);
    if (text === "") return { ok: false, problem: "Type something first." };
    if (lengthOf(text) > this.limitFor(text)) return { ok: false, problem: tooLong(this.limitFor(text)) };
    if (this.orders.peek() && text.startsWith("/")) return this.order(text);
    if (this.pending.peek().length >= MAX_PENDING) return { ok: false, problem: "Your last lines are still waiting. Try them again first." };
    const line: PendingLine = { callId: newCallId(), text, at: serverNow(), state: "sending" };
    this.pending.value = [...this.pending.peek(), line];
    return this.send(line);
  }

  /** Tries a failed line again, as the same line. */
  async retry(callId: string): Promise<Said> {
    const line = this.pending.peek().find((each) => each.callId === callId && each.state === "failed");
    if (!line) return { ok: true };
    this.mark(callId, "sending");
    return this.send(line);
  }

  discard(callId: string): void {
    this.pending.value = this.pending.peek().filter((line) => line.callId !== callId);
  }

  /** One tap on the heart. Many taps go as one count; those of a page without a room are lost, like a clap in the rain. */
  heart(): void {
    this.heartsToSend = Math.min(MAX_HEARTS, this.heartsToSend + 1);
    if (this.heartTimer !== undefined) return;
    const wait = Math.max(0, this.heartsSentAt + HEART_EVERY_MS - performance.now());
    if (wait === 0) this.sendHearts();
    else this.heartTimer = setTimeout(() => this.sendHearts(), wait);
  }

  private sendHearts(): void {
    this.heartTimer = undefined;
    const count = this.heartsToSend;
    this.heartsToSend = 0;
    this.heartsSentAt = performance.now();
    if (count > 0) this.room.remark("hearts.send", { count });
  }

  private async send(line: PendingLine): Promise<Said> {
    try {
      const { id, did } = await this.room.call("chat.say", { text: line.text }, { id: line.callId });
      this.heldUntil.value = 0;
      this.takenDown.value = false;
      if (did !== undefined) {
        this.discard(line.callId);
        return { ok: true, did };
      }
      this.confirm(line, id);
      this.saidAt = performance.now();
      this.slowDown();
      return { ok: true };
    } catch (error) {
      return this.refused(line, error);
    }
  }

  /** A command is no line: it never stands among them. */
  private async order(text: string): Promise<Said> {
    const callId = this.unsure?.text === text ? this.unsure.callId : newCallId();
    const settled = (): void => {
      if (this.unsure?.callId === callId) this.unsure = null;
    };
    try {
      const { did } = await this.room.call("chat.say", { text }, { id: callId });
      settled();
      this.heldUntil.value = 0;
      return { ok: true, did: did ?? "Done." };
    } catch (error) {
      if (!(error instanceof CallError)) return { ok: false, problem: "Something on this page went wrong. Load it again." };
      if (error.unsure) {
        this.unsure = { callId, text };
        return { ok: false, problem: "No answer came. Send it again: it is done once." };
      }
      // What did not leave now may have arrived before.
      if (error.code !== "not_sent") settled();
      const pause = error.retryAfterMs ?? PAUSE_MS;
      if (error.code === "too_often" || error.code === "room_busy") this.wait(performance.now() + pause, false);
      if (error.code === "timed_out") this.heldUntil.value = serverNow() + pause;
      return { ok: false, problem: error.code === "text_too_long" ? tooLong(MAX_COMMAND) : wordsFor(error) };
    }
  }

  private pace(seconds: number): void {
    this.slowSeconds = seconds;
    if (this.slowed.peek()) this.waitUntil.value = 0;
    this.slowed.value = false;
    this.slowDown();
  }

  /** In slow mode the next line waits, counted from the last one that the room took. */
  private slowDown(): void {
    const until = this.saidAt + this.slowSeconds * 1_000;
    if (this.slowSeconds === 0 || this.orders.peek() || until <= performance.now()) return;
    this.wait(until, true);
  }

  private wait(until: number, slow: boolean): void {
    batch(() => {
      this.slowed.value = slow;
      this.waitUntil.value = until;
    });
  }

  /** What moderators took down: single lines, and all of those who may not write just now. */
  private takeDown(told: EventPayloads["lines.gone"]): void {
    const self = this.self()?.subject ?? "";
    const gone = new Gone(told);
    if (this.gone.silences(self) && !gone.silences(self)) this.heldUntil.value = 0;
    this.gone = gone;
    const taken = this.lines.peek().filter((line) => gone.has(line) || gone.authors.has(line.subject));
    if (taken.length === 0) return;
    if (taken.some((line) => this.isMine(line))) this.takenDown.value = true;
    this.lines.value = this.lines.peek().filter((line) => !taken.includes(line));
    for (const { id } of taken) this.known.delete(id);
  }

  private confirm(line: PendingLine, id: string): void {
    batch(() => {
      this.discard(line.callId);
      if (this.known.has(id)) return;
      // A full room shows a choice of its lines; who wrote one sees it in any case.
      const self = this.self();
      const before = this.lines.peek().findLast((each) => this.isMine(each));
      this.add([{ id, subject: self?.subject ?? "", name: before?.name || self?.name || "You", role: before?.role ?? "viewer", text: line.text, at: serverNow() }]);
    });
  }

  private refused(line: PendingLine, error: unknown): Said {
    const failure = error instanceof CallError ? error : null;
    // It may have been said all the same: then it stands there already.
    if (!this.pending.peek().some((each) => each.callId === line.callId)) return { ok: true };
    if (!failure || failure.unsure || failure.code === "not_sent" || failure.code === "unavailable") {
      this.mark(line.callId, "failed");
      return { ok: true };
    }
    const pause = failure.retryAfterMs ?? PAUSE_MS;
    if (failure.code === "too_often" || failure.code === "room_busy" || failure.code === "slow_mode") this.wait(performance.now() + pause, failure.code === "slow_mode");
    if (failure.code === "timed_out") this.heldUntil.value = serverNow() + pause;
    this.discard(line.callId);
    return { ok: false, problem: wordsFor(failure) };
  }

  private mark(callId: string, state: PendingLine["state"]): void {
    this.pending.value = this.pending.peek().map((line) => (line.callId === callId ? { ...line, state } : line));
  }

  private hear(all: ChatLine[], recent: boolean): void {
    // What is told to those who come may be older than the moderator's word. Who says something just now may.
    const lines = recent ? all.filter((line) => !this.gone.hides(line)) : all;
    batch(() => {
      for (const line of lines) if (this.isMine(line)) this.recognise(line);
      const added = this.add(lines);
      if (!recent) this.heard.value += added;
    });
  }

  /** The line may be back before its answer, or instead of one that was lost. */
  private recognise(line: ChatLine): void {
    if (this.known.has(line.id)) return;
    const found = this.pending.peek().find(({ text, at }) => text === tidy(line.text) && line.at >= at - CLOCK_SLACK_MS);
    if (found) this.discard(found.callId);
  }

  /** Adds what is not there yet, by time; a line that we wrote down ourselves gives way to the room's. */
  private add(lines: readonly ChatLine[]): number {
    const fresh = lines.filter((line, i) => line.id && !this.gone.has(line) && !this.known.has(line.id) && lines.findIndex(({ id }) => id === line.id) === i);
    const better = new Map(lines.filter((line) => this.known.has(line.id)).map((line) => [line.id, line]));
    if (fresh.length === 0 && better.size === 0) return 0;
    const all = this.lines.peek().map((line) => better.get(line.id) ?? line);
    all.push(...fresh);
    // Lines of before the page's loss may come after newer ones. The order of those of one moment stays.
    all.sort((a, b) => a.at - b.at);
    this.lines.value = all.slice(-MAX_LINES);
    this.known.clear();
    for (const { id } of this.lines.peek()) this.known.add(id);
    return fresh.length;
  }
}

/** As the room takes it: no control characters, no line breaks, single blanks. */
export function tidy(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}

export function lengthOf(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

const tooLong = (limit: number): string => `That is too long: ${limit} characters at most.`;

function wordsFor(error: CallError): string {
  switch (error.code) {
    case "text_empty":
      return "Type something first.";
    case "text_too_long":
      return tooLong(MAX_TEXT);
    case "too_often":
      return "A little slower, please: one line at a time.";
    case "room_busy":
      return "Very many people are talking. Yours can go in a moment.";
    case "no_identity":
      return "We do not know who you are yet. Load this page again, then it works.";
    case "slow_mode":
    case "timed_out":
      return ""; // The field says it, and for how long.
    case "banned":
    case "forbidden":
      return "You cannot talk in this show.";
  }
  return error.message;
}
