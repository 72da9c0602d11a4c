// The questions of a show as one page knows them: open ones by votes, then those that were answered. Read when they are
// looked at, again whenever the room says that something changed, and now and then for the votes, of which it does not tell.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { isCode, isTransient, jitter, sleep, untilAnswered } from "../http";
import { newId } from "../ids";
import { dropQuestion, getQuestions, mergeQuestion, putAnswer, putQuestion, setQuestionVote } from "./api";
import type { Talk } from "./talk";
import type { Question, QuestionPage } from "./types";
import { wordsFor } from "./words";

export const MIN_QUESTION = 3;
export const MAX_QUESTION = 200;
export const MAX_ANSWER = 500;
/** Pages that hear of a change ask again within this time, not all in the same instant. */
const SPREAD_MS = 800;
/** How often votes are looked at: by the few who answer questions, and by the many who ask them. */
const VOTES_EVERY_MS = { few: 3_000, many: 20_000 };
const TRIES = 3;
/** Of what is shown so much is read again by itself; the rest when somebody asks for it. */
export const MAX_PAGES = 4;
/** Answers that are being typed; the newest stay. */
const MAX_DRAFTS = 50;

export type Loading = "loading" | "ready" | "failed";

export class Questions {
  readonly items: Signal<readonly Question[]> = signal([]);
  readonly state: Signal<Loading> = signal("loading");
  readonly failure: Signal<unknown> = signal(null);
  readonly next: Signal<string | null> = signal(null);
  /** What is under way: a question's id, "ask" or "more". */
  readonly busy: Signal<ReadonlySet<string>> = signal(new Set());
  /** What the last thing did, in words. */
  readonly said: Signal<string> = signal("");
  readonly trouble: Signal<{ at: string; words: string } | null> = signal(null);
  /** The question that is being answered, also when it is not in the list any more. */
  readonly answering: Signal<Question | null> = signal(null);
  readonly openOnes: ReadonlySignal<readonly Question[]> = computed(() => this.items.value.filter(({ state }) => state === "open"));
  readonly answeredOnes: ReadonlySignal<readonly Question[]> = computed(() => this.items.value.filter(({ state }) => state === "answered"));

  private readonly leave = new AbortController();
  private readonly off: () => void;
  private readonly looking: ReturnType<typeof setInterval>;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading: Promise<void> | null = null;
  private again = false;
  /** So many pages are shown. */
  private pages = 1;
  /** Voted for since the reading under way began: what it says of them is older. */
  private readonly fresh = new Set<string>();

  constructor(
    private readonly talk: Talk,
    moderates: boolean,
  ) {
    this.off = talk.room.on("questions.set", () => this.readSoon());
    this.looking = setInterval(
      () => {
        // Not for many pages: votes are not worth so much reading.
        if (document.visibilityState === "visible" && this.pages === 1 && this.openOnes.peek().length > 0) this.readSoon();
      },
      moderates ? VOTES_EVERY_MS.few : VOTES_EVERY_MS.many,
    );
  }

  close(): void {
    clearInterval(this.looking);
    clearTimeout(this.timer);
    this.leave.abort();
    this.off();
  }

  readSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.read();
    }, Math.random() * SPREAD_MS);
  }

  /** Reads as many pages as are shown, up to MAX_PAGES; what is below them again when somebody asks for more. */
  read(): Promise<void> {
    // One that is under way may have been answered before what we want to know happened.
    if (this.reading) this.again = true;
    this.reading ??= this.readUntilNew().finally(() => (this.reading = null));
    return this.reading;
  }

  retry(): void {
    this.state.value = "loading";
    void this.read();
  }

  async more(): Promise<void> {
    const cursor = this.next.peek();
    if (!cursor) return;
    await this.run("more", async () => {
      const page = await getQuestions(this.talk.show, cursor, { signal: this.leave.signal });
      const known = new Set(this.items.peek().map(({ id }) => id));
      this.items.value = [...this.items.peek(), ...page.items.filter(({ id }) => !known.has(id))];
      this.next.value = page.next;
      this.pages++;
    });
  }

  /** Whether it was taken. Words that somebody used before join that question, and that is said. */
  async ask(typed: string): Promise<boolean> {
    const text = typed.trim();
    const { talk } = this;
    if (talk.asking?.text !== text) talk.asking = { id: newId("que"), text };
    let { id } = talk.asking;
    return this.run("ask", async () => {
      let there = await this.put(id, text);
      if (there === null) {
        // An earlier try was taken after all, and is over since: the same words are another question now.
        talk.asking = { id: (id = newId("que")), text };
        there = (await this.put(id, text)) ?? id;
      }
      if (talk.asking?.id === id) talk.asking = null;
      talk.remember(there);
      this.said.value = there === id ? "Asked. You are told here when it is answered." : "Others asked this too: yours was added to theirs.";
      void this.read();
    });
  }

  /** The mark is there at once, and goes when the server says no. */
  async vote({ id, voted, votes }: Question): Promise<void> {
    if (this.busy.peek().has(id)) return;
    this.change(id, { voted: !voted, votes: Math.max(0, votes + (voted ? -1 : 1)) });
    if (await this.run(id, async () => void (await setQuestionVote(this.talk.show, id, !voted)))) this.fresh.add(id);
    else this.change(id, { voted, votes });
    void this.read();
  }

  answerTo(id: string): string {
    return this.talk.answers.value.get(id) ?? "";
  }

  /** Keeps an answer as it is typed. */
  typeAnswer(id: string, text: string): void {
    const answers = new Map(this.talk.answers.peek());
    answers.delete(id);
    if (text) answers.set(id, text);
    this.talk.answers.value = new Map([...answers].slice(-MAX_DRAFTS));
  }

  answer(question: Question, text: string): Promise<boolean> {
    return this.run(question.id, async () => {
      await putAnswer(this.talk.show, question.id, text.trim());
      this.typeAnswer(question.id, "");
      this.said.value = "Answered. Whoever asked is told.";
      void this.read();
    });
  }

  merge(question: Question, into: Question): Promise<boolean> {
    return this.run(question.id, async () => {
      await mergeQuestion(this.talk.show, question.id, into.id);
      this.said.value = `Merged into “${into.text}”.`;
      void this.read();
    });
  }

  remove(question: Question): Promise<boolean> {
    return this.run(question.id, async () => {
      await dropQuestion(this.talk.show, question.id).catch((error: unknown) => {
        // The answer to an earlier try was lost: it is gone.
        if (!isCode(error, "question_unknown")) throw error;
      });
      this.items.value = this.items.peek().filter(({ id }) => id !== question.id);
      this.said.value = "The question is gone.";
    });
  }

  /** The open question that stands for these words; null: it was answered, or taken away. */
  private async put(id: string, text: string): Promise<string | null> {
    try {
      const { id: there, state } = await putQuestion(this.talk.show, id, text);
      return state === "answered" ? null : there;
    } catch (error) {
      if (isCode(error, "question_unknown")) return null;
      throw error;
    }
  }

  /** One thing at a time for each place; false: it failed, or one is under way. */
  private async run(place: string, task: () => Promise<void>): Promise<boolean> {
    if (this.busy.peek().has(place)) return false;
    const asks = place === "ask";
    // A question goes on when its tab is left.
    const leave = asks ? this.talk.leaving : this.leave.signal;
    this.mark(place, true);
    this.trouble.value = null;
    if (asks) this.talk.askTrouble.value = "";
    this.said.value = "";
    try {
      await untilAnswered(task, TRIES, leave);
      return true;
    } catch (error) {
      if (leave.aborted) return false;
      if (asks) this.talk.askTrouble.value = wordsFor(error);
      else this.trouble.value = { at: place, words: wordsFor(error) };
      return false;
    } finally {
      this.mark(place, false);
    }
  }

  private mark(place: string, on: boolean): void {
    const busy = new Set(this.busy.peek());
    if (on) busy.add(place);
    else busy.delete(place);
    this.busy.value = busy;
  }

  private change(id: string, to: Partial<Question>): void {
    this.items.value = this.items.peek().map((item) => (item.id === id ? { ...item, ...to } : item));
  }

  private async readUntilNew(): Promise<void> {
    for (let attempt = 0; !this.leave.signal.aborted; ) {
      this.again = false;
      this.fresh.clear();
      try {
        const { items, next, pages } = await this.readPages();
        batch(() => this.take(items, next, pages));
        if (!this.again) return;
        attempt = 0;
      } catch (error) {
        if (this.leave.signal.aborted) return;
        if (!isTransient(error) || attempt >= TRIES) {
          this.failure.value = error;
          this.state.value = "failed";
          return;
        }
        await sleep(jitter(attempt++), this.leave.signal).catch(() => undefined);
      }
    }
  }

  /** As many as are shown by the time they are read. A question that moved meanwhile is there once. */
  private async readPages(): Promise<{ items: Question[]; next: string | null; pages: number }> {
    const items = new Map<string, Question>();
    let next: string | null = null;
    let pages = 0;
    do {
      const page: QuestionPage = await getQuestions(this.talk.show, next, { signal: this.leave.signal });
      for (const item of page.items) if (!items.has(item.id)) items.set(item.id, item);
      next = page.next;
      pages++;
    } while (next && pages < Math.min(this.pages, MAX_PAGES));
    return { items: [...items.values()], next, pages };
  }

  private take(items: readonly Question[], next: string | null, pages: number): void {
    const marks = new Map(this.items.peek().filter(({ id }) => this.busy.peek().has(id) || this.fresh.has(id)).map(({ id, voted, votes }) => [id, { voted, votes }]));
    this.items.value = items.map((item) => ({ ...item, ...marks.get(item.id) }));
    this.next.value = next;
    this.pages = pages;
    this.state.value = "ready";
    this.failure.value = null;
    for (const { id, mine, state } of items) if (mine && state === "open") this.talk.remember(id);
    this.talk.tellAnswers(items);
  }
}

/** Why a question cannot be asked, in words; null when it can. */
export function questionFault(text: string): string | null {
  const length = [...text.trim()].length;
  if (length < MIN_QUESTION) return "A few words more, please.";
  if (length > MAX_QUESTION) return `${length - MAX_QUESTION} too many: ${MAX_QUESTION} characters at most.`;
  return null;
}
