// A poll as it stands: shares of a hundred, what is left of its time, and whether it is over.

import type { Poll, PollVotes } from "./types";

export const MIN_CHOICES = 2;
export const MAX_CHOICES = 6;
export const MIN_QUESTION = 3;
export const MAX_QUESTION = 200;
export const MAX_CHOICE = 80;

export interface PollChoice {
  text: string;
  votes: number;
  /** Whole percent; those of all choices make 100, or 0 before anybody voted. */
  percent: number;
  mine: boolean;
}

export interface PollView {
  id: string;
  question: string;
  choices: PollChoice[];
  voters: number;
  /** On the server's clock, ms. */
  endsAt: number;
  open: boolean;
  /** The server has closed it, and these are all votes. */
  counted: boolean;
  voted: boolean;
}

/** `mine` is the own choice, null when there is none. Open until the server closes it or its clock has run out. */
export function pollView(poll: Poll, votes: PollVotes | undefined, mine: number | null, now: number): PollView {
  const counted = votes?.id === poll.id ? votes : null;
  const counts = poll.choices.map((_, i) => counted?.counts[i] ?? 0);
  const shares = percents(counts);
  const endsAt = Date.parse(poll.ends_at);
  return {
    id: poll.id,
    question: poll.question,
    choices: poll.choices.map((text, i) => ({ text, votes: counts[i]!, percent: shares[i]!, mine: i === mine })),
    voters: counted?.voters ?? 0,
    endsAt,
    open: poll.state === "open" && endsAt > now,
    counted: poll.state === "closed",
    voted: mine !== null,
  };
}

/** Whole percents that make 100: what rounding down left goes to the largest rests, the first of equals first. */
export function percents(counts: readonly number[]): number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all <= 0) return counts.map(() => 0);
  const exact = counts.map((count) => (count * 100) / all);
  const shares = exact.map(Math.floor);
  const byRest = exact.map((value, i) => ({ i, rest: value - shares[i]! })).sort((a, b) => b.rest - a.rest);
  const missing = 100 - shares.reduce((sum, share) => sum + share, 0);
  for (const { i } of byRest.slice(0, missing)) shares[i]!++;
  return shares;
}

/** "Copper won with 62 %.", "Copper and Iron are level.", "Nobody voted."; before the last vote is counted, just that. */
export function outcome({ choices, voters, counted }: PollView): string {
  if (!counted) return "Counting…";
  const most = Math.max(...choices.map(({ votes }) => votes));
  if (voters === 0 || most === 0) return "Nobody voted.";
  const first = choices.filter(({ votes }) => votes === most);
  if (first.length === 1) return `${first[0]!.text} won with ${first[0]!.percent} %.`;
  const names = first.map(({ text }) => text);
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are level.`;
}

/** Why a poll cannot be opened, in words; null when it can. */
export function pollFault(question: string, choices: readonly string[]): string | null {
  const said = choices.map((choice) => choice.trim()).filter(Boolean);
  if (question.trim().length < MIN_QUESTION) return "Write the question first.";
  if (said.length < MIN_CHOICES) return `Give at least ${MIN_CHOICES} choices.`;
  if (new Set(said.map((choice) => choice.toLowerCase())).size < said.length) return "Two choices say the same.";
  return null;
}
