// What hosts and moderators do to a show's talk. One thing at a time for each place on the page; what can be undone says so.

import { signal, type Signal } from "@preact/signals";
import type { ChatLine } from "../events";
import { isCode, untilAnswered } from "../http";
import { newId } from "../ids";
import * as api from "./api";
import { spanWords, wordsFor } from "./words";
import type { Talk } from "./talk";
import type { Ban, Moderator, Timeout } from "./types";

const TRIES = 3;
export const MAX_ANNOUNCEMENT = 200;
export const SLOW_CHOICES = [0, 5, 10, 30, 60, 300] as const;
export const POLL_SECONDS = [30, 60, 120, 300, 600] as const;

export interface Note {
  words: string;
  undo?: () => Promise<boolean>;
}

/** A person as a line names them. */
export interface Person {
  subject: string;
  name: string;
}

export class Moderation {
  /** The line whose actions are open. */
  readonly target: Signal<ChatLine | null> = signal(null);
  /** The places where something is under way. */
  readonly busy: Signal<ReadonlySet<string>> = signal(new Set());
  readonly note: Signal<Note | null> = signal(null);
  readonly trouble: Signal<{ at: string; words: string } | null> = signal(null);
  /** What is being typed. */
  readonly drafts = {
    announcement: signal(""),
    email: signal(""),
    question: signal(""),
    choices: signal<readonly string[]>(["", ""]),
    seconds: signal(60),
  };
  /** A poll whose answer did not come: the same words again are the same poll. */
  private opening: { id: string; words: string } | null = null;

  constructor(readonly talk: Talk) {}

  /** Opens the actions of a line, or closes them; what failed with the last one is not said of the next. */
  pick(line: ChatLine | null): void {
    this.target.value = line;
    if (this.trouble.peek()?.at === "line") this.trouble.value = null;
  }

  /** Moderators take down their own lines and those of the audience: not each other's, nor those of who runs the show. */
  mayDrop(line: ChatLine): boolean {
    return this.talk.presides.value || line.subject === this.talk.me()?.subject || !(line.role === "host" || this.keeps(line));
  }

  /** Who runs the show is not silenced in it, and moderators not by each other. */
  maySilence({ subject, role }: Pick<ChatLine, "subject" | "role">): boolean {
    return subject !== "" && role !== "host" && subject !== this.talk.me()?.subject && (this.talk.presides.value || !this.keeps({ subject, role }));
  }

  /** Moderators do not let each other write, and only who runs the show lets in who is banned from all of its creator's. */
  mayLift(person: Timeout | Ban): boolean {
    return this.talk.presides.value || !("all_shows" in person ? person.all_shows : this.keeps(person));
  }

  private keeps({ subject, role }: { subject: string; role?: ChatLine["role"] }): boolean {
    return role === "moderator" || (this.talk.document.value?.moderators ?? []).some((each) => each.subject === subject);
  }

  dropLine(line: ChatLine): Promise<boolean> {
    return this.run("line", `The line of ${line.name} is gone.`, () => api.dropLine(this.talk.show, line.id, { subject: line.subject, name: line.name, text: line.text }));
  }

  pause({ subject, name }: Person, seconds: number): Promise<boolean> {
    const undo = (): Promise<boolean> => this.resume({ subject, name }, "undo");
    return this.run("line", { words: `${name} cannot write for ${spanWords(seconds)}.`, undo }, () => api.putTimeout(this.talk.show, subject, { seconds, reason: "", name }));
  }

  resume({ subject, name }: Person | Timeout, place = subject): Promise<boolean> {
    return this.run(place, `${name} can write again.`, () => api.dropTimeout(this.talk.show, subject));
  }

  ban({ subject, name }: Person): Promise<boolean> {
    const undo = (): Promise<boolean> => this.letIn({ subject, name }, "undo");
    return this.run("line", { words: `${name} is out of this show.`, undo }, () => api.putBan(this.talk.show, subject, { reason: "", name }));
  }

  letIn({ subject, name }: Person | Ban, place = subject): Promise<boolean> {
    return this.run(place, `${name || "The person"} may come back.`, () => api.dropBan(this.talk.show, subject));
  }

  slow(seconds: number): Promise<boolean> {
    const words = seconds === 0 ? "Slow mode is off." : `Slow mode: one line per person every ${spanWords(seconds)}.`;
    return this.run("slow", words, () => api.putSlow(this.talk.show, seconds));
  }

  announce(text: string): Promise<boolean> {
    return this.run("announce", "Announced.", () => api.putAnnouncement(this.talk.show, text.trim()));
  }

  unannounce(): Promise<boolean> {
    return this.run("announce", "The announcement is off.", () => api.dropAnnouncement(this.talk.show));
  }

  async invite(email: string): Promise<boolean> {
    const done = await this.run("invite", `${email} can moderate this show now.`, () => api.putModerator(this.talk.show, email));
    await this.talk.read();
    return done;
  }

  dismiss({ email, name }: Moderator): Promise<boolean> {
    return this.run(email, `${name} does not moderate any more.`, () => api.dropModerator(this.talk.show, email));
  }

  openPoll(question: string, choices: readonly string[], seconds: number): Promise<boolean> {
    const body = { question: question.trim(), choices: choices.map((choice) => choice.trim()).filter(Boolean), seconds };
    const words = JSON.stringify(body);
    if (this.opening?.words !== words) this.opening = { id: newId("pll"), words };
    let { id } = this.opening;
    return this.run("poll", "The poll is open.", async () => {
      const { state } = await api.putPoll(this.talk.show, id, body);
      if (state === "closed") {
        // An earlier try was taken after all, and ran its time: the same words are another poll now.
        this.opening = { id: (id = newId("pll")), words };
        await api.putPoll(this.talk.show, id, body);
      }
      this.opening = null;
    });
  }

  endPoll(id: string): Promise<boolean> {
    return this.run("endpoll", "The poll is closed.", () => api.closePoll(this.talk.show, id));
  }

  /** One thing at a time for each place; false: it failed, or one is under way there. */
  private async run(place: string, note: string | Note, task: () => Promise<unknown>): Promise<boolean> {
    if (this.busy.peek().has(place)) return false;
    this.mark(place, true);
    this.trouble.value = null;
    try {
      await untilAnswered(task, TRIES);
      this.note.value = typeof note === "string" ? { words: note } : note;
      this.talk.stale();
      return true;
    } catch (error) {
      this.trouble.value = { at: place, words: refusalWords(error) };
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
}

function refusalWords(error: unknown): string {
  if (isCode(error, "poll_open")) return "A poll is open already. Close it first.";
  if (isCode(error, "account_unknown")) return "Nobody has an account with this address yet. Ask them to sign up first.";
  return wordsFor(error);
}
