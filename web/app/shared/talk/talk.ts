// The talk of a show as one page knows it, beside the chat's lines: announcement, slow mode, poll, how many questions there
// are, and whether this person may moderate. The room says what is public; what is one's own is read over HTTP.

import { batch, computed, effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Me } from "../api";
import { ApiError, isTransient, jitter, patience, sleep, untilAnswered } from "../http";
import type { Room } from "../realtime";
import { getQuestions, getTalk, putPollVote } from "./api";
import { Kept } from "./kept";
import { pollView, type PollView } from "./poll";
import type { Announcement, LastAnswer, Question, TalkDocument } from "./types";
import { wordsFor } from "./words";

const TRIES = 3;
/** What changes while a reading waits is answered by the same reading. */
const REREAD_MS = 250;
/** Pages that come or hear the same ask within this time, not all in the same instant. */
const SPREAD_MS = 1_500;
/** Whoever may have tools here tries again within this time until that is known. */
const INSIST_MS = 30_000;
/** Questions of one's own, whose answers are told, and answers that were put away. */
const MAX_ANSWERS = 50;

export class Talk {
  /** null until it was read, which guests need not. */
  readonly document: Signal<TalkDocument | null> = signal(null);
  /** Why the document could not be read; null while it can. */
  readonly failure: Signal<unknown> = signal(null);
  /** Seconds between two lines of one person; 0: as they like. */
  readonly slow: ReadonlySignal<number>;
  /** What is pinned above the chat. */
  readonly announced: ReadonlySignal<Announcement | null>;
  /** The same, unless this person has put it away. */
  readonly announcement: ReadonlySignal<Announcement | null>;
  readonly open: ReadonlySignal<number>;
  readonly answeredCount: ReadonlySignal<number>;
  readonly moderates: ReadonlySignal<boolean>;
  /** This person made the show. */
  readonly hosts: ReadonlySignal<boolean>;
  /** The one who made it, or an operator: moderators are under them. */
  readonly presides: ReadonlySignal<boolean>;
  /** Questions of one's own that were answered and not put away, the newest first. */
  readonly answered: Signal<readonly LastAnswer[]> = signal([]);
  /** Why the last vote did not count, and in which poll. */
  readonly voteTrouble: Signal<{ poll: string; words: string } | null> = signal(null);
  /** A question that is being typed. */
  readonly draft: Signal<string> = signal("");
  /** Why the last question was not taken. Here, for the list of questions goes with its tab. */
  readonly askTrouble: Signal<string> = signal("");
  /** Of the words that were sent last and are not answered: the same words again are the same question. */
  asking: { id: string; text: string } | null = null;
  /** Answers that are being typed, by question. */
  readonly answers: Signal<ReadonlyMap<string, string>> = signal(new Map());

  private readonly chosen: Signal<ReadonlyMap<string, number>> = signal(new Map());
  private readonly gone: Signal<number> = signal(0);
  /** What was put away: each kind for itself, so that many of one bring back none of another. */
  private readonly away: { announcements: Kept; polls: Kept; answers: Kept };
  private readonly asked: Kept;
  /** Polls that were open while this page was. */
  private readonly seenOpen = new Set<string>();
  private readonly voting = new Set<string>();
  private readonly leave = new AbortController();
  /** Aborted when the page has no use for this show's talk any more. */
  readonly leaving = this.leave.signal;
  private readonly release: (() => void)[] = [];
  private reading: Promise<void> | null = null;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private answerTimer: ReturnType<typeof setTimeout> | undefined;
  private insistTimer: ReturnType<typeof setTimeout> | undefined;
  /** The account that the document was read for; null: for none, or not yet. */
  private readFor: string | null = null;

  constructor(
    readonly show: string,
    readonly room: Room,
    /** The creator's account. */
    private readonly host: () => string | null,
    readonly me: () => Me | null,
  ) {
    this.away = {
      announcements: new Kept(`rialto.away.announcements.${show}`),
      polls: new Kept(`rialto.away.polls.${show}`),
      answers: new Kept(`rialto.away.answers.${show}`, MAX_ANSWERS),
    };
    this.asked = new Kept(`rialto.asked.${show}`, MAX_ANSWERS);
    this.slow = computed(() => room.state("talk.set", "talk").value?.slow_seconds ?? this.document.value?.slow_seconds ?? 0);
    this.announced = computed(() => {
      const set = room.state("announcement.set", "talk").value ?? this.document.value?.announcement;
      return set?.text ? set : null;
    });
    this.announcement = computed(() => {
      void this.gone.value;
      const now = this.announced.value;
      return now && !this.away.announcements.has(keyOf(now)) ? now : null;
    });
    this.open = computed(() => room.state("questions.set", "questions").value?.open ?? 0);
    this.answeredCount = computed(() => room.state("questions.set", "questions").value?.answered ?? 0);
    this.hosts = computed(() => {
      const account = this.me()?.account;
      return account ? account.id === this.host() : false;
    });
    this.presides = computed(() => this.hosts.value || (this.me()?.account?.roles.includes("operator") ?? false));
    this.moderates = computed(() => this.hosts.value || (this.me()?.account ? (this.document.value?.leads ?? false) : false));
    this.release.push(
      room.on("lines.gone", () => this.moderates.peek() && this.stale()),
      this.followAnswers(),
      this.followRoom(),
    );
  }

  close(): void {
    clearTimeout(this.timer);
    clearTimeout(this.answerTimer);
    clearTimeout(this.insistTimer);
    this.leave.abort();
    for (const off of this.release) off();
  }

  /** Not shown to this person again until it changes. */
  dismiss(): void {
    const now = this.announced.peek();
    if (now) this.away.announcements.add(keyOf(now));
    this.gone.value++;
  }

  /** The newest poll at a time of the server's clock; null before there was any. */
  pollAt(now: number): PollView | null {
    const poll = this.room.state("poll.set", "poll").value;
    return poll ? pollView(poll, this.room.state("poll.votes", "poll").value, this.chosen.value.get(poll.id) ?? null, now) : null;
  }

  /** Whether the poll is worth a line outside its own tab: it runs, or it ended before this person's eyes. */
  isNews(poll: PollView): boolean {
    void this.gone.value;
    return poll.open || (this.seenOpen.has(poll.id) && !this.away.polls.has(poll.id));
  }

  dismissPoll(id: string): void {
    this.away.polls.add(id);
    this.gone.value++;
  }

  /** Chooses, or chooses anew while the poll is open. The mark is there at once, and goes when the server says no. */
  async vote(poll: string, choice: number): Promise<void> {
    const before = this.chosen.peek().get(poll);
    this.choose(poll, choice);
    this.voteTrouble.value = null;
    // The one under way looks again when it is through.
    if (this.voting.has(poll)) return;
    this.voting.add(poll);
    let sent = before;
    try {
      for (let wanted = this.chosen.peek().get(poll); wanted !== undefined && wanted !== sent; wanted = this.chosen.peek().get(poll)) {
        const now = wanted;
        await untilAnswered(() => putPollVote(this.show, poll, now), TRIES, this.leave.signal);
        sent = now;
      }
    } catch (error) {
      if (this.leave.signal.aborted) return;
      batch(() => {
        this.choose(poll, sent);
        this.voteTrouble.value = { poll, words: `Your vote did not count. ${wordsFor(error)}` };
      });
    } finally {
      this.voting.delete(poll);
    }
  }

  /** This person asked it here: its answer is told. */
  remember(question: string): void {
    this.asked.add(question);
  }

  dismissAnswer(): void {
    const [told, ...rest] = this.answered.peek();
    if (told) this.away.answers.add(told.id);
    this.answered.value = rest;
  }

  /** The list as it was read: also tells of a question that was merged into another one, which was answered. */
  tellAnswers(items: readonly Question[]): void {
    if (this.asked.empty) return;
    for (const { id, text, answer, mine, state } of [...items].reverse()) if (mine && state === "answered") this.tell({ id, text, answer });
  }

  /** Reads again soon; many callers make one reading. */
  stale(ms = REREAD_MS): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.read();
    }, ms);
  }

  /** After `attempt` others; the server that cannot be heard is asked again up to TRIES. */
  read(attempt = 0): Promise<void> {
    // One that is under way may have been answered before what we want to know happened.
    if (this.reading) this.again = true;
    this.reading ??= this.readUntilNew(attempt).finally(() => {
      this.reading = null;
      this.insist();
    });
    return this.reading;
  }

  /** Somebody with an account may moderate: what would say so is asked for until it was read, while they are in the room. */
  private insist(): void {
    clearTimeout(this.insistTimer);
    const account = this.me()?.account?.id;
    if (this.leave.signal.aborted || !account || account === this.readFor || this.room.phase.peek() !== "joined") return;
    const failure = this.failure.peek();
    const told = failure instanceof ApiError ? patience(failure.retryAfterMs) : null;
    this.insistTimer = setTimeout(() => void this.read(TRIES), (told ?? 0) + Math.random() * INSIST_MS);
  }

  /** Who joins reads what is one's own: with an account always, as a guest only the vote in a poll that is open. */
  private followRoom(): () => void {
    let was: string | null = null;
    return effect(() => {
      const poll = this.room.state("poll.set", "poll").value;
      if (poll?.state === "open") this.seenOpen.add(poll.id);
      const account = this.me()?.account?.id ?? "";
      const now = this.room.phase.value === "joined" ? account : null;
      if (now === was) return;
      was = now;
      clearTimeout(this.insistTimer);
      if (now === null || (!account && (poll?.state !== "open" || this.chosen.peek().has(poll.id)))) return;
      this.stale(this.hosts.peek() ? 0 : Math.random() * SPREAD_MS);
    });
  }

  private followAnswers(): () => void {
    let was = "";
    let open = 0;
    return effect(() => {
      const set = this.room.state("questions.set", "questions").value;
      const last = set?.last_answer;
      const now = JSON.stringify([set?.answered, last]);
      // Fewer are open: one of them may be part of an answered one now.
      const fewer = (set?.open ?? 0) < open;
      open = set?.open ?? 0;
      if (!last || (now === was && !fewer)) return;
      was = now;
      if (this.asked.has(last.id)) this.tell(last);
      if (this.asked.empty) return;
      this.answerTimer ??= setTimeout(() => {
        this.answerTimer = undefined;
        getQuestions(this.show, null, { signal: this.leave.signal }).then(
          ({ items }) => this.tellAnswers(items),
          () => undefined, // The next answer asks again.
        );
      }, Math.random() * SPREAD_MS);
    });
  }

  private tell(answer: LastAnswer): void {
    if (!this.away.answers.has(answer.id)) this.answered.value = [answer, ...this.answered.peek().filter(({ id }) => id !== answer.id)];
  }

  private async readUntilNew(attempt: number): Promise<void> {
    while (!this.leave.signal.aborted) {
      this.again = false;
      const account = this.me()?.account?.id ?? null;
      try {
        const read = await getTalk(this.show, { signal: this.leave.signal });
        batch(() => {
          this.readFor = account;
          this.document.value = read;
          this.failure.value = null;
          const { poll } = read;
          if (poll && poll.choice !== null && !this.chosen.peek().has(poll.id)) this.choose(poll.id, poll.choice);
        });
        if (!this.again) return;
        attempt = 0;
      } catch (error) {
        if (this.leave.signal.aborted) return;
        this.failure.value = error;
        if (!isTransient(error) || attempt >= TRIES) return;
        await sleep(jitter(attempt++), this.leave.signal).catch(() => undefined);
      }
    }
  }

  private choose(poll: string, choice: number | undefined): void {
    const chosen = new Map(this.chosen.peek());
    if (choice === undefined) chosen.delete(poll);
    else chosen.set(poll, choice);
    this.chosen.value = chosen;
  }
}

const keyOf = (announcement: Announcement): string => `${announcement.at} ${announcement.text}`;
