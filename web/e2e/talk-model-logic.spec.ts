// What a page knows of a show's talk, with a room and a server that say what the test wants, when it wants.

import { expect, test } from "@playwright/test";
import { batch, signal } from "@preact/signals";
import type { Me } from "../app/shared/api";
import type { ChatLine } from "../app/shared/events";
import type { Room, RoomPhase } from "../app/shared/realtime";
import { RoomState } from "../app/shared/roomstate";
import { Moderation } from "../app/shared/talk/moderation";
import { MAX_PAGES, Questions } from "../app/shared/talk/questions";
import { Talk } from "../app/shared/talk/talk";
import type { Question } from "../app/shared/talk/types";

interface Asked {
  key: string;
  answer(status: number, body?: unknown): void;
}

/** Requests wait here until the test answers them, in the order of their coming. */
let asked: Asked[] = [];
const real = { fetch: globalThis.fetch, random: Math.random };
test.beforeEach(() => {
  asked = [];
  Math.random = () => 0; // What is spread over a while comes at once.
  globalThis.fetch = (input, init) =>
    new Promise((resolve) => {
      const answer = (status: number, body: unknown = {}): void => resolve(new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } }));
      asked.push({ key: `${init?.method ?? "GET"} ${String(input).replace("/api/v1/shows/shw_1/", "")}`, answer });
    });
});
test.afterEach(() => {
  globalThis.fetch = real.fetch;
  Math.random = real.random;
});

/** The next request that nobody has answered. */
async function next(key: string | RegExp): Promise<Asked> {
  await expect.poll(() => asked.map((each) => each.key)).toContainEqual(typeof key === "string" ? key : expect.stringMatching(key));
  const at = asked.findIndex((each) => (typeof key === "string" ? each.key === key : key.test(each.key)));
  return asked.splice(at, 1)[0]!;
}

const quiet = { slow_seconds: 0, announcement: null, poll: null, moderators: [], timeouts: [], bans: [], leads: false };
const jo = { subject: "acc_jo", account: { id: "acc_jo", name: "Jo", email: "jo@example.com", roles: ["viewer"] } } as unknown as Me;

function talking(person: Me | null = null) {
  const values = new RoomState();
  const phase = signal<RoomPhase>("connecting");
  const me = signal<Me | null>(person);
  const room = { phase, state: values.value.bind(values), on: values.on.bind(values) } as unknown as Room;
  const talk = new Talk("shw_1", room, () => "acc_mara", () => me.value);
  let v = 0;
  const tell = (t: string, k: string, d: unknown): void => values.apply([{ t, k, v: ++v, d }]);
  const poll = (id: string, state = "open"): void => tell("poll.set", "poll", { id, question: "Which?", choices: ["A", "B"], state, ends_at: new Date(Date.now() + 60_000).toISOString(), by: "Mara" });
  return { talk, phase, me, tell, poll };
}

const question = (id: string, more: Partial<Question> = {}): Question => ({ id, text: id, asked_by_name: "Ana", askers: 1, votes: 1, mine: false, voted: false, state: "open", answer: null, asked_at: "2026-01-01T00:00:00Z", answered_at: null, ...more });

test("a guest who joins while a poll is open asks for the own vote; a poll that opens later sends nobody to the server", async () => {
  const { talk, phase, poll } = talking();
  batch(() => {
    poll("pll_1");
    phase.value = "joined";
  });
  (await next("GET talk")).answer(200, { ...quiet, poll: { id: "pll_1", question: "Which?", choices: ["A", "B"], state: "open", ends_at: "", by: "", counts: [1, 0], voters: 1, choice: 1 } });
  await expect.poll(() => talk.pollAt(0)?.choices[1]?.mine).toBe(true);
  poll("pll_1", "closed");
  poll("pll_2");
  phase.value = "waiting";
  phase.value = "joined";
  (await next("GET talk")).answer(200, quiet);
  await expect.poll(() => talk.document.value?.poll).toBe(null);
  expect(asked, "asked for once, by joining again").toEqual([]);
  talk.close();
});

test("who has an account reads what they may, also when they sign in later and when lines go", async () => {
  const { talk, phase, me, tell } = talking();
  phase.value = "joined";
  me.value = jo;
  (await next("GET talk")).answer(200, { ...quiet, leads: true });
  await expect.poll(() => talk.moderates.value).toBe(true);
  tell("lines.gone", "talk", { lines: [], authors: ["gst_1"] });
  const first = await next("GET talk");
  const again = talk.read();
  first.answer(200, { ...quiet, leads: true });
  (await next("GET talk")).answer(200, { ...quiet, leads: true, bans: [{ subject: "gst_1", name: "", reason: "", all_shows: false, created_at: "" }] });
  await again;
  expect(talk.document.value?.bans, "what was asked for meanwhile is read, too").toHaveLength(1);
  talk.close();
});

test("votes in two polls do not wait for each other, and a refusal is of its own poll", async () => {
  const { talk, poll } = talking();
  poll("pll_1");
  const first = talk.vote("pll_1", 0);
  const second = talk.vote("pll_2", 1);
  const one = await next("PUT polls/pll_1/vote");
  (await next("PUT polls/pll_2/vote")).answer(204);
  await second;
  one.answer(409, { code: "poll_closed", detail: "This poll is closed." });
  await first;
  expect(talk.voteTrouble.value).toEqual({ poll: "pll_1", words: expect.stringContaining("closed") as unknown });
  expect(talk.pollAt(0)?.voted).toBe(false);
  talk.close();
});

test("an answer is told to who asked: at once, or out of the list when the question was merged; put away it stays away", async () => {
  const { talk, tell } = talking();
  const last = (id: string, answered: number) => ({ open: 3, answered, last_answer: { id, text: id, answer: "Yes." } });
  tell("questions.set", "questions", last("que_other", 1));
  expect([talk.answered.value, asked], "nothing was asked here").toEqual([[], []]);
  talk.remember("que_1");
  talk.remember("que_2");
  tell("questions.set", "questions", last("que_1", 2));
  expect(talk.answered.value.map(({ id }) => id)).toEqual(["que_1"]);
  const items = [question("que_3", { mine: true, state: "answered", answer: "No." }), question("que_1", { mine: true, state: "answered" }), question("que_4", { mine: true }), question("que_other", { state: "answered" })];
  (await next(/^GET questions/)).answer(200, { items, next: null });
  await expect.poll(() => talk.answered.value.map(({ id }) => id)).toEqual(["que_3", "que_1"]);
  talk.dismissAnswer();
  expect(talk.answered.value.map(({ id }) => id)).toEqual(["que_1"]);
  talk.tellAnswers(items);
  expect(talk.answered.value.map(({ id }) => id)).toEqual(["que_1"]);
  talk.close();
});

test("what the room said before this part of the page was there is told as well", () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "sessionStorage");
  const kept = new Map([["rialto.asked.shw_1", '["que_1"]']]);
  Object.defineProperty(globalThis, "sessionStorage", { configurable: true, value: { getItem: (key: string) => kept.get(key) ?? null, setItem: () => undefined } });
  const { talk, tell } = talking();
  tell("questions.set", "questions", { open: 0, answered: 1, last_answer: { id: "que_1", text: "?", answer: null } });
  const later = new Talk("shw_1", talk.room, () => null, () => null);
  expect(later.answered.value).toEqual([{ id: "que_1", text: "?", answer: null }]);
  talk.close();
  later.close();
  if (before) Object.defineProperty(globalThis, "sessionStorage", before);
  else Reflect.deleteProperty(globalThis, "sessionStorage");
});

test("a list that was read before a vote does not take its mark back", async () => {
  const { talk } = talking();
  const questions = new Questions(talk, false);
  void questions.read();
  (await next("GET questions")).answer(200, { items: [question("que_1"), question("que_2")], next: null });
  await expect.poll(() => questions.state.value).toBe("ready");
  const marks = () => questions.items.value.map(({ voted, votes }) => `${voted} ${votes}`);
  void questions.read();
  const old = await next("GET questions");
  const vote = questions.vote(questions.items.value[0]!);
  expect(marks()).toEqual(["true 2", "false 1"]);
  (await next("PUT questions/que_1/vote")).answer(204);
  await vote;
  old.answer(200, { items: [question("que_1"), question("que_2", { votes: 5 })], next: null });
  const fresh = await next("GET questions");
  expect(marks()).toEqual(["true 2", "false 5"]);
  fresh.answer(200, { items: [question("que_1", { voted: true, votes: 4 }), question("que_2")], next: null });
  await expect.poll(marks).toEqual(["true 4", "false 1"]);
  questions.close();
  talk.close();
});

test("the same words are a new question once the one whose answer was lost is over; a deletion that is done already is done", async () => {
  const { talk } = talking();
  const questions = new Questions(talk, true);
  const ask = questions.ask("How heavy is it?");
  const first = await next(/^PUT questions\/que_\w+$/);
  first.answer(200, question("que_old", { state: "answered" }));
  const second = await next(/^PUT questions\/que_\w+$/);
  expect(second.key).not.toBe(first.key);
  second.answer(201, question(second.key.slice("PUT questions/".length)));
  expect(await ask).toBe(true);
  expect(questions.said.value).toMatch(/^Asked/);
  const gone = questions.remove(question("que_9"));
  (await next("DELETE questions/que_9")).answer(404, { code: "question_unknown", detail: "No." });
  expect(await gone).toBe(true);
  questions.close();
  talk.close();
});

test("the same words are a new poll once the one whose answer was lost is over", async () => {
  const { talk } = talking();
  const mod = new Moderation(talk);
  const open = mod.openPoll("Which?", ["A", "B", " "], 60);
  const first = await next(/^PUT polls\/pll_\w+$/);
  first.answer(200, { state: "closed" });
  const second = await next(/^PUT polls\/pll_\w+$/);
  expect(second.key).not.toBe(first.key);
  second.answer(201, { state: "open" });
  expect(await open).toBe(true);
  talk.close();
});

test("a moderator is offered what the server takes: not the lines or the silence of those who run the show, nor bans from all shows", async () => {
  const { talk, phase, me } = talking(jo);
  const mod = new Moderation(talk);
  phase.value = "joined";
  const moderators = ["acc_jo", "acc_kim"].map((subject) => ({ subject, name: "", email: "" }));
  (await next("GET talk")).answer(200, { ...quiet, leads: true, moderators });
  await expect.poll(() => talk.moderates.value).toBe(true);
  const line = (subject: string, role: ChatLine["role"]): ChatLine => ({ id: "lin_1", subject, name: "", role, text: "", at: 0 });
  const lines = [line("gst_1", "viewer"), line("gst_2", "buyer"), line("acc_jo", "moderator"), line("acc_kim", "moderator"), line("acc_kim", "viewer"), line("acc_mara", "host"), line("", "viewer")];
  const silence = { subject: "gst_1", name: "", until: "", reason: "" };
  const ban = { subject: "gst_1", name: "", reason: "", all_shows: false, created_at: "" };
  const lifts = () => [silence, { ...silence, subject: "acc_kim" }, ban, { ...ban, all_shows: true }].map((each) => mod.mayLift(each));
  const offers = () => [lines.map((each) => mod.mayDrop(each)), lines.map((each) => mod.maySilence(each))];
  expect(offers()).toEqual([
    [true, true, true, false, false, false, true],
    [true, true, false, false, false, false, false],
  ]);
  expect(lifts()).toEqual([true, false, true, false]);
  for (const person of [{ id: "acc_mara", roles: ["creator"] }, { id: "acc_op", roles: ["operator"] }]) {
    me.value = { subject: person.id, account: person } as unknown as Me;
    expect(offers(), person.id).toEqual([
      [true, true, true, true, true, true, true],
      [true, true, true, true, true, false, false],
    ]);
    expect(lifts()).toEqual([true, true, true, true]);
  }
  talk.close();
});

test("what fails when it is undone is said apart from the lists, which may not be there", async () => {
  const { talk } = talking();
  const mod = new Moderation(talk);
  const ban = mod.ban({ subject: "gst_1", name: "Tom" });
  (await next("PUT bans/gst_1")).answer(200);
  await ban;
  const undo = mod.note.value!.undo!();
  (await next("DELETE bans/gst_1")).answer(500, { code: "internal", detail: "The server had a problem." });
  expect(await undo).toBe(false);
  expect(mod.trouble.value).toEqual({ at: "undo", words: "The server had a problem." });
  talk.close();
});

test("one place does not wait for another: a ban goes out while slow mode is being set; the same place waits", async () => {
  const { talk } = talking();
  const mod = new Moderation(talk);
  const slow = mod.slow(30);
  const put = await next("PUT talk");
  const ban = mod.ban({ subject: "gst_1", name: "Tom" });
  expect([...mod.busy.value]).toEqual(["slow", "line"]);
  expect(await mod.slow(60), "not sent twice").toBe(false);
  (await next("PUT bans/gst_1")).answer(200);
  expect(await ban).toBe(true);
  expect([...mod.busy.value]).toEqual(["slow"]);
  put.answer(500, { code: "internal", detail: "The server had a problem." });
  expect(await slow).toBe(false);
  expect([mod.busy.value.size, mod.trouble.value?.at]).toEqual([0, "slow"]);
  expect(asked.filter(({ key }) => key === "PUT talk")).toEqual([]);
  talk.close();
});

/** Timers of more than 20 s, which ring when the test wants it. */
function longTimers() {
  const { setTimeout: set, clearTimeout: clear } = globalThis;
  const held = new Map<unknown, { run: () => void; ms: number }>();
  globalThis.setTimeout = ((run: () => void, ms = 0) => {
    if (ms <= 20_000) return set(run, ms);
    const key = {};
    held.set(key, { run, ms });
    return key;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((key: never) => void (held.delete(key) || clear(key))) as typeof clearTimeout;
  const waits = () => [...held.values()].map(({ ms }) => ms);
  const ring = (): void => {
    const timers = [...held.values()];
    held.clear();
    for (const { run } of timers) run();
  };
  return { waits, ring, restore: () => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }) };
}

test("who has an account asks what they may until they know, as long as they are in the room; guests need not", async () => {
  const timers = longTimers();
  const fails = async (status = 500): Promise<void> => {
    const reading = await next("GET talk");
    Math.random = () => 0.999;
    reading.answer(status, { code: "internal", detail: "The server had a problem." });
  };
  const once = () => expect.poll(() => timers.waits()).toEqual([29_970]);
  try {
    const { talk, phase, me } = talking();
    const guest = talk.read();
    await fails();
    await guest;
    expect(timers.waits(), "a guest").toEqual([]);
    Math.random = () => 0;
    me.value = jo;
    phase.value = "joined";
    await fails();
    await once();
    timers.ring();
    await fails(503);
    await once();
    phase.value = "waiting";
    expect(timers.waits(), "not in the room").toEqual([]);
    const late = talk.read();
    await fails();
    await late;
    expect(timers.waits(), "nor when the failure comes later").toEqual([]);
    Math.random = () => 0;
    phase.value = "joined";
    (await next("GET talk")).answer(200, { ...quiet, leads: true });
    await expect.poll(() => talk.moderates.value).toBe(true);
    const again = talk.read();
    await fails();
    await again;
    expect(timers.waits(), "they know").toEqual([]);
    Math.random = () => 0;
    me.value = { ...jo, account: { ...jo.account!, id: "acc_kim" } };
    await fails();
    await once();
    talk.close();
    expect(timers.waits(), "the page was left").toEqual([]);
  } finally {
    timers.restore();
  }
});

test("many answers put away bring back neither the announcement nor the poll that were", () => {
  const { talk, tell, poll } = talking();
  tell("announcement.set", "talk", { text: "Free shipping.", name: "Mara", at: "2026-01-01T00:00:00Z" });
  poll("pll_1");
  talk.dismiss();
  talk.dismissPoll("pll_1");
  poll("pll_1", "closed");
  const answers = Array.from({ length: 50 }, (_, i) => question(`que_${i}`, { mine: true, state: "answered" }));
  for (const { id } of answers) talk.remember(id);
  tell("questions.set", "questions", { open: 0, answered: 50, last_answer: { id: "que_0", text: "que_0", answer: null } });
  expect(talk.answered.value, "the first of fifty is still one's own").toHaveLength(1);
  talk.tellAnswers(answers);
  expect(talk.answered.value).toHaveLength(50);
  for (let i = 0; i < 50; i++) talk.dismissAnswer();
  expect([talk.announcement.value, talk.isNews(talk.pollAt(0)!)]).toEqual([null, false]);
  talk.tellAnswers(answers);
  expect(talk.answered.value, "all that were put away stay so").toEqual([]);
  talk.close();
});

test("why a question was not taken is said also after its tab was left, and the same words are the same question there", async () => {
  const { talk } = talking();
  const left = new Questions(talk, false);
  const ask = left.ask("How heavy is it?");
  const first = await next(/^PUT questions/);
  left.close();
  first.answer(503, { code: "unavailable", detail: "Soon." });
  const second = await next(/^PUT questions/);
  expect(second.key, "the try goes on").toBe(first.key);
  second.answer(403, { code: "timed_out", detail: "You have been timed out in this show." });
  expect(await ask).toBe(false);
  expect(talk.askTrouble.value).toMatch(/^You have been timed out/);
  const back = new Questions(talk, false);
  void back.ask("How heavy is it?");
  expect(talk.askTrouble.value).toBe("");
  expect((await next(/^PUT questions/)).key).toBe(first.key);
  back.close();
  talk.close();
});

test("a list that is read again keeps the pages that are shown, up to four; nothing of it once the server has no more", async () => {
  const { talk } = talking();
  const questions = new Questions(talk, true);
  const page = (n: number, more: boolean, ...also: Question[]) => ({ items: [...also, question(`que_${n}`)], next: more ? `c${n}` : null });
  const ids = () => questions.items.value.map(({ id }) => id);
  void questions.read();
  (await next("GET questions")).answer(200, page(1, true));
  await expect.poll(ids).toEqual(["que_1"]);
  for (let n = 2; n <= MAX_PAGES + 1; n++) {
    const more = questions.more();
    (await next(`GET questions?cursor=c${n - 1}`)).answer(200, page(n, true));
    await more;
  }
  expect(ids()).toHaveLength(MAX_PAGES + 1);
  let read = questions.read();
  (await next("GET questions")).answer(200, page(1, true));
  for (let n = 2; n <= MAX_PAGES; n++) (await next(`GET questions?cursor=c${n - 1}`)).answer(200, page(n, true, question("que_1")));
  await read;
  expect(ids(), "a question that moved is there once").toEqual(["que_1", "que_2", "que_3", "que_4"]);
  expect(questions.next.value).toBe("c4");
  read = questions.read();
  (await next("GET questions")).answer(200, page(1, true));
  (await next("GET questions?cursor=c1")).answer(200, page(2, false));
  await read;
  expect([ids(), questions.next.value, asked]).toEqual([["que_1", "que_2"], null, []]);
  questions.close();
  talk.close();
});

test("an answer that is being typed outlives its row, its list and its tab; what was answered is forgotten", async () => {
  const { talk } = talking();
  const questions = new Questions(talk, true);
  void questions.read();
  (await next("GET questions")).answer(200, { items: [question("que_1"), question("que_2")], next: null });
  await expect.poll(() => questions.items.value.length).toBe(2);
  const [picked] = questions.items.value;
  questions.answering.value = picked!;
  questions.typeAnswer("que_1", "About 2");
  const read = questions.read();
  (await next("GET questions")).answer(200, { items: [question("que_2")], next: null });
  await read;
  expect([questions.answering.value?.id, questions.answerTo("que_1")]).toEqual(["que_1", "About 2"]);
  questions.close();
  const back = new Questions(talk, true);
  expect(back.answerTo("que_1")).toBe("About 2");
  const wrong = back.answer(picked!, "About 2");
  (await next("PUT questions/que_1/answer")).answer(500);
  expect([await wrong, back.answerTo("que_1")]).toEqual([false, "About 2"]);
  const right = back.answer(picked!, "About 2");
  (await next("PUT questions/que_1/answer")).answer(200);
  expect([await right, back.answerTo("que_1")]).toEqual([true, ""]);
  for (let i = 0; i <= 50; i++) back.typeAnswer(`que_${i}`, "…");
  expect([back.answerTo("que_0"), back.answerTo("que_1"), back.answerTo("que_50")], "bounded: the newest stay").toEqual(["", "…", "…"]);
  back.close();
  talk.close();
});
