// The talk of a show without a page: polls, commands, what is wrong with a question, and the words of the log.

import { expect, test } from "@playwright/test";
import { auditDetail, auditWords } from "../app/shared/talk/audit";
import { COMMANDS, completed, matching } from "../app/shared/talk/commands";
import { outcome, percents, pollFault, pollView } from "../app/shared/talk/poll";
import { questionFault } from "../app/shared/talk/questions";
import { Kept } from "../app/shared/talk/kept";
import { ApiError, patience, refusal, untilAnswered } from "../app/shared/http";
import { aboutWords, spanWords, wordsFor } from "../app/shared/talk/words";

test("shares are whole and make a hundred, or nothing at all", () => {
  expect(percents([0, 0])).toEqual([0, 0]);
  expect(percents([1, 1, 1])).toEqual([34, 33, 33]);
  expect(percents([2, 1])).toEqual([67, 33]);
  expect(percents([5, 0])).toEqual([100, 0]);
  for (const counts of [[1, 2, 3, 4, 5, 6], [999, 1], [7, 7, 7, 7, 7, 7], [1_000_000, 1, 1]]) expect(percents(counts).reduce((a, b) => a + b, 0)).toBe(100);
});

const poll = { id: "pll_1", question: "Which?", choices: ["A", "B", "C"], state: "open" as const, ends_at: "2026-01-01T00:01:00Z", by: "Mara" };
const start = Date.parse("2026-01-01T00:00:00Z");

test("a poll is open until its time by the server's clock, or until the server closes it", () => {
  expect(pollView(poll, undefined, null, start)).toMatchObject({ open: true, voted: false, voters: 0 });
  expect(pollView(poll, undefined, null, start + 59_999).open).toBe(true);
  expect(pollView(poll, undefined, null, start + 60_000).open).toBe(false);
  expect(pollView({ ...poll, state: "closed" }, undefined, 1, start)).toMatchObject({ open: false, voted: true });
});

test("votes of another poll do not count, and fewer counts than choices are none", () => {
  const votes = { id: "pll_2", counts: [9, 9, 9], voters: 27 };
  expect(pollView(poll, votes, null, start).voters).toBe(0);
  const view = pollView(poll, { id: "pll_1", counts: [3, 1], voters: 4 }, 0, start);
  expect(view.choices).toEqual([
    { text: "A", votes: 3, percent: 75, mine: true },
    { text: "B", votes: 1, percent: 25, mine: false },
    { text: "C", votes: 0, percent: 0, mine: false },
  ]);
});

test("how a poll came out, in words", () => {
  const votes = (counts: number[]) => ({ id: "pll_1", counts, voters: counts.reduce((a, b) => a + b, 0) });
  const of = (counts: number[]): string => outcome(pollView({ ...poll, state: "closed" }, votes(counts), null, start));
  expect(of([3, 1, 0])).toBe("A won with 75 %.");
  expect(of([2, 2, 1])).toBe("A and B are level.");
  expect(of([1, 1, 1])).toBe("A, B and C are level.");
  expect(of([0, 0, 0])).toBe("Nobody voted.");
  const over = pollView(poll, votes([3, 1, 0]), null, start + 60_000);
  expect([over.open, outcome(over)], "its time is over, but not all votes are counted").toEqual([false, "Counting…"]);
});

test("what is wrong with a poll, and with a question, at the limits and past them", () => {
  expect(pollFault("Which?", ["A", "B"])).toBeNull();
  expect(pollFault("  ", ["A", "B"])).toMatch(/question/);
  expect(pollFault("Which?", ["A", " "])).toMatch(/2 choices/);
  expect(pollFault("Which?", ["A", "a "])).toMatch(/same/);
  expect(questionFault("why")).toBeNull();
  expect(questionFault(" a ")).not.toBeNull();
  expect(questionFault("🥘".repeat(200))).toBeNull();
  expect(questionFault("🥘".repeat(201))).toBe("1 too many: 200 characters at most.");
});

test("commands are found as they are typed, and by their whole name once their words follow", () => {
  const names = (text: string): string[] => matching(text).map(({ name }) => name);
  expect(names("/")).toHaveLength(COMMANDS.length);
  expect(names("/p")).toEqual(["/pin", "/poll"]);
  expect(names("/PIN")).toEqual(["/pin"]);
  expect(names("/pin 2")).toEqual(["/pin"]);
  expect(names("/p 2")).toEqual([]);
  expect(names("say /pin")).toEqual([]);
  expect(completed(matching("/sl")[0]!)).toBe("/slow ");
  expect(completed(matching("/unp")[0]!)).toBe("/unpin");
});

test("the log says who did what to whom; names are never read as patterns, unknown actions keep their names", () => {
  const by = { subject: "acc_1", name: "Jo" };
  expect(auditWords({ action: "timed_out", by, name: "$& Tom" })).toBe("Jo timed $& Tom out");
  expect(auditWords({ action: "slow_mode_set", by, name: "" })).toBe("Jo set slow mode");
  expect(auditWords({ action: "fish_fed", by, name: "Tom" })).toBe("Jo: fish fed (Tom)");
  const detail = (action: string, detail: string): string => auditDetail({ action, detail });
  expect([detail("timed_out", "300 s"), detail("timed_out", "45 s spam, 3 s apart"), detail("slow_mode_set", "30 s"), detail("slow_mode_set", "0 s"), detail("line_removed", "30 s"), detail("timed_out", "soon")]).toEqual([
    "For 5 minutes",
    "For 45 seconds: spam, 3 s apart",
    "One line every 30 seconds",
    "Off",
    "30 s",
    "soon",
  ]);
});

test("lengths of time in words", () => {
  expect([1, 45, 60, 300, 3_600, 90].map(spanWords)).toEqual(["1 second", "45 seconds", "1 minute", "5 minutes", "1 hour", "90 seconds"]);
});

test("about lengths of time, rounded up", () => {
  expect([0, 1, 90_000, 90_001, 5_400_000, 5_400_001, 86_400_000].map(aboutWords)).toEqual(["1 second", "1 second", "90 seconds", "2 minutes", "90 minutes", "2 hours", "24 hours"]);
});

test("a silenced moderator reads for how long, however long that is; what tries again by itself waits a minute at most", async () => {
  const said = (seconds: number): Promise<ApiError> =>
    refusal(new Response(JSON.stringify({ code: "timed_out", detail: "You have been timed out in this show." }), { status: 403, headers: { "Content-Type": "application/problem+json", "Retry-After": String(seconds) } }));
  const long = await said(7_200);
  expect(wordsFor(long)).toMatch(/^You have been timed out in this show\. It ends in 2 hours, at .+\.$/);
  expect((await said(90_000)).retryAfterMs, "a day and an hour").toBe(86_400_000);
  expect([patience(long.retryAfterMs), patience(60_000), patience(59_999), patience(null)]).toEqual([60_000, 60_000, 59_999, null]);
  let asked = 0;
  await expect(untilAnswered(() => (asked++, Promise.reject(long)), 3)).rejects.toBe(long);
  expect(asked, "a refusal is no outage").toBe(1);
});

test("what is kept for a tab is bounded, and without a browser's store it is kept as long as the page", () => {
  const kept = new Kept("k");
  for (let i = 0; i <= 20; i++) kept.add(`q${i}`);
  expect([kept.has("q0"), kept.has("q1"), kept.has("q20")]).toEqual([false, true, true]);
  const more = new Kept("m", 50);
  for (let i = 0; i <= 50; i++) more.add(`q${i}`);
  expect([more.has("q0"), more.has("q1"), more.has("q50")]).toEqual([false, true, true]);
});
