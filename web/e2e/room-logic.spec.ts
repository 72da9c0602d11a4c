// A room's client without a line: what it believes, what it asks, and what is said in it.

import { expect, test } from "@playwright/test";
import { CallError, Calls } from "../app/shared/calls";
import { ChatLog, MAX_COMMAND, MAX_LINES, MAX_PENDING, MAX_TEXT, tidy } from "../app/shared/chat/log";
import { serverNow } from "../app/shared/clock";
import type { ChatLine } from "../app/shared/events";
import type { Room } from "../app/shared/realtime";
import { RoomState } from "../app/shared/roomstate";

test("a value gives way to a higher version alone, and an unversioned one to whatever is heard", () => {
  const state = new RoomState();
  const heard: unknown[] = [];
  state.on("pin.set", ({ product }) => heard.push(product));
  state.apply([{ t: "pin.set", k: "pin", v: 5, d: { product: "a" } }]);
  state.apply([{ t: "pin.set", k: "pin", v: 5, d: { product: "b" } }]);
  state.apply([{ t: "pin.set", k: "pin", v: 4, d: { product: "c" } }]);
  expect(state.value("pin.set", "pin").value).toEqual({ product: "a" });
  state.apply([{ t: "viewers.set", d: { count: 3 } }]);
  state.apply([{ t: "viewers.set", v: 0, d: { count: 2 } }]);
  expect(state.value("viewers.set", "").value).toEqual({ count: 2 });
  expect(state.version("viewers.set", "")).toBe(0);
  expect(heard).toEqual(["a"]);
});

test("a snapshot takes away what it does not name, but nothing newer than itself", () => {
  const state = new RoomState();
  state.apply([
    { t: "stock.set", k: "a", v: 3, d: { left: 3 } },
    { t: "stock.set", k: "b", v: 9, d: { left: 9 } },
    { t: "viewers.set", d: { count: 7 } },
  ]);
  state.replace([{ t: "pin.set", k: "pin", v: 5, d: { product: null } }]);
  expect(state.value("stock.set", "a").value).toBeUndefined();
  expect(state.value("stock.set", "b").value).toEqual({ left: 9 });
  expect(state.value("viewers.set", "").value).toBeUndefined();
});

test("malformed events of a frame are left, the others are taken", () => {
  const state = new RoomState();
  state.apply([null, { t: 5, v: 1, d: {} }, { t: "stock.set", k: "a", v: "9", d: { left: 1 } }, { t: "stock.set", k: "b" }, { t: "stock.set", k: "c", v: 1, d: { left: 4 } }] as never);
  expect(state.value("stock.set", "a").value).toBeUndefined();
  expect(state.value("stock.set", "c").value).toEqual({ left: 4 });
});

const codeOf = (promise: Promise<unknown>) => promise.then(() => "answered", (error: CallError) => error.code);

test("a call is answered once, by its id; refusals keep their code and their wait", async () => {
  const sent: { id: string }[] = [];
  const calls = new Calls((frame) => sent.push(frame as { id: string }) > 0);
  const first = calls.ask("chat.say", { text: "a" });
  const second = calls.ask("chat.say", { text: "b" });
  calls.reply({ id: "of nobody", d: {} });
  calls.reply({ id: sent[1]!.id, error: { code: "too_often", detail: "Slower.", retry_after_ms: 900 } });
  calls.reply({ id: sent[0]!.id, d: { id: "l1" } });
  calls.reply({ id: sent[0]!.id, d: { id: "l2" } });
  expect(await first).toEqual({ id: "l1" });
  await expect(second).rejects.toMatchObject({ code: "too_often", message: "Slower.", retryAfterMs: 900, unsure: false, callId: sent[1]!.id });
});

test("a call without a line says that it was not sent; one whose line broke, and one without an answer, that nobody knows", async () => {
  let up = false;
  const calls = new Calls(() => up);
  expect(await codeOf(calls.ask("chat.say", { text: "a" }))).toBe("not_sent");
  up = true;
  const broken = calls.ask("chat.say", { text: "a" }, { id: "same" });
  expect(await codeOf(calls.ask("chat.say", { text: "a" }, { id: "same" })), "the same one twice at once").toBe("not_sent");
  calls.broke();
  await expect(broken).rejects.toMatchObject({ code: "line_lost", unsure: true, callId: "same" });
  await expect(calls.ask("chat.say", { text: "a" }, { timeoutMs: 1 })).rejects.toMatchObject({ code: "timeout", unsure: true });
});

test("calls under way are bounded", async () => {
  const calls = new Calls(() => true);
  const waiting = Array.from({ length: 16 }, () => codeOf(calls.ask("chat.say", { text: "a" })));
  expect(await codeOf(calls.ask("chat.say", { text: "a" }))).toBe("not_sent");
  calls.broke();
  expect(new Set(await Promise.all(waiting))).toEqual(new Set(["line_lost"]));
});

const ME = "gst_me";

/** A room whose answers the test gives. */
class FakeRoom {
  readonly asked: { text: string; id: string; settle(id: string, did?: string): void; refuse(error: CallError): void }[] = [];
  readonly state = new RoomState();
  readonly remarks: number[] = [];
  private readonly handlers = new Map<string, (items: never[], recent: boolean) => void>();

  readonly onSampled = (type: string, handler: (items: never[], recent: boolean) => void): (() => void) => {
    this.handlers.set(type, handler);
    return () => this.handlers.delete(type);
  };
  readonly on: RoomState["on"] = (type, handler) => this.state.on(type, handler);
  readonly call = (_name: string, { text }: { text: string }, { id }: { id: string }): Promise<{ id: string; did?: string }> =>
    new Promise((resolve, reject) => this.asked.push({ text, id, settle: (line, did) => resolve({ id: line, ...(did === undefined ? {} : { did }) }), refuse: reject }));
  readonly remark = (_name: string, { count }: { count: number }): boolean => this.remarks.push(count) > 0;

  says(lines: ChatLine[], recent = false): void {
    this.handlers.get("chat.line")?.(lines as never[], recent);
  }
}

let clock = 1_000;
const line = (id: string, text = id, more: Partial<ChatLine> = {}): ChatLine => ({ id, subject: "gst_other", name: "Ana", role: "viewer", text, at: clock++, ...more });
const chat = () => {
  const room = new FakeRoom();
  const log = new ChatLog(room as unknown as Room, () => ({ subject: ME, name: "Me" }));
  const ids = () => log.lines.value.map(({ id }) => id);
  const pending = () => log.pending.value.map(({ text, state }) => `${text} ${state}`);
  return { room, log, ids, pending };
};

test("a line is shown once, however often and late it comes, and in the order of its time", () => {
  const { room, log, ids } = chat();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((id) => line(id)) as [ChatLine, ChatLine, ChatLine, ChatLine];
  room.says([a, b], true);
  expect(log.heard.value, "what was said before is not new").toBe(0);
  room.says([d, d]);
  room.says([a, b, c, d], true);
  expect(ids()).toEqual(["a", "b", "c", "d"]);
  expect(log.heard.value).toBe(1);
});

test("lines are bounded: the newest stay", () => {
  const { room, ids } = chat();
  for (let i = 0; i < MAX_LINES + 5; i++) room.says([line(`l${i}`)]);
  expect(ids()).toHaveLength(MAX_LINES);
  expect(ids()[0]).toBe("l5");
});

test("an own line waits at the end until the room has it: answer first, or line first", async () => {
  const { room, log, ids, pending } = chat();
  const first = log.say("  hello \n there ");
  expect(pending()).toEqual(["hello there sending"]);
  room.asked[0]!.settle("l1");
  expect(await first).toEqual({ ok: true });
  expect([ids(), pending()]).toEqual([["l1"], []]);
  room.says([line("l1", "hello there", { subject: ME, name: "Guest 12", at: serverNow() })]);
  expect(ids()).toEqual(["l1"]);
  expect(log.lines.value[0]!.name, "the room's word replaces ours").toBe("Guest 12");

  const second = log.say("again");
  room.says([line("l2", "again", { subject: ME, role: "buyer", at: serverNow() })]);
  expect([ids(), pending()]).toEqual([["l1", "l2"], []]);
  room.asked[1]!.settle("l2");
  await second;
  expect(ids()).toEqual(["l1", "l2"]);
  expect(log.lines.value[1]!.role).toBe("buyer");
});

test("a line whose answer was lost is tried again by the same id, and recognised when it had arrived", async () => {
  const { room, log, ids, pending } = chat();
  const said = log.say("is it safe?");
  room.asked[0]!.refuse(new CallError("line_lost", "", room.asked[0]!.id));
  await said;
  expect(pending()).toEqual(["is it safe? failed"]);
  const again = log.retry(room.asked[0]!.id);
  expect(pending()).toEqual(["is it safe? sending"]);
  expect(room.asked[1]!.id).toBe(room.asked[0]!.id);
  room.asked[1]!.refuse(new CallError("timeout", "", room.asked[1]!.id));
  await again;
  room.says([line("old", "is it safe?", { subject: ME, at: serverNow() - 3_600_000 })], true);
  expect(pending(), "the same words of an hour ago are another line").toEqual(["is it safe? failed"]);
  room.says([line("l1", "is it safe?", { subject: ME, at: serverNow() })], true);
  expect([ids(), pending()]).toEqual([["old", "l1"], []]);
});

test("what the room refuses goes back to be typed again; a wait is kept", async () => {
  const { room, log, pending } = chat();
  const said = log.say("quick");
  room.asked[0]!.refuse(new CallError("too_often", "", room.asked[0]!.id, 3_000));
  expect(await said).toMatchObject({ ok: false });
  expect(pending()).toEqual([]);
  expect(log.waitUntil.value - performance.now()).toBeGreaterThan(2_000);
  expect(log.waitUntil.value - performance.now()).toBeLessThanOrEqual(3_000);
  const busy = log.say("unheard");
  room.asked[1]!.refuse(new CallError("unavailable", "", room.asked[1]!.id));
  await busy;
  expect(pending(), "a fault of the server's is no fault of the words").toEqual(["unheard failed"]);
  log.discard(room.asked[1]!.id);
  expect(pending()).toEqual([]);
});

test("text at its limit goes, one past it does not; waiting lines are bounded", async () => {
  const { room, log } = chat();
  expect(await log.say(" \n ")).toMatchObject({ ok: false });
  expect(await log.say("x".repeat(MAX_TEXT + 1))).toMatchObject({ ok: false });
  expect(room.asked).toHaveLength(0);
  // Characters as people count them, not what they take in memory.
  for (let i = 0; i < MAX_PENDING; i++) void log.say("🥘".repeat(MAX_TEXT));
  expect(room.asked).toHaveLength(MAX_PENDING);
  expect(await log.say("one more")).toMatchObject({ ok: false });
  expect(tidy("a\u0000\u0007b\t c")).toBe("a b c");
});

test("hearts go at once when it is the first, then as counts", async () => {
  const { room, log } = chat();
  for (let i = 0; i < 30; i++) log.heart();
  expect(room.remarks).toEqual([1]);
  await expect.poll(() => room.remarks).toEqual([1, 20]);
  log.close();
});

let version = 0;
const tell = (room: FakeRoom, t: string, d: object): void => room.state.apply([{ t, k: "talk", v: ++version, d }]);

test("lines that were taken down go at once, with all of those who may not write; and come back from no snapshot", () => {
  const { room, log, ids } = chat();
  const [a, b, mine] = [line("a"), line("b", "b", { subject: "gst_loud" }), line("m", "m", { subject: ME })];
  room.says([a, b, mine, line("c", "c", { subject: "gst_loud" })]);
  tell(room, "lines.gone", { lines: ["a"], authors: [] });
  expect(ids()).toEqual(["b", "m", "c"]);
  tell(room, "lines.gone", { lines: ["a"], authors: ["gst_loud"] });
  expect(ids()).toEqual(["m"]);
  expect(log.takenDown.value).toBe(false);
  room.says([a, b, mine], true);
  expect(ids(), "what is told again to who comes back").toEqual(["m"]);
  room.says([line("d", "d", { subject: "gst_loud" })]);
  expect(ids(), "who says something just now may").toEqual(["m", "d"]);
  tell(room, "lines.gone", { lines: ["a", "m"], authors: [] });
  expect(ids()).toEqual(["d"]);
  expect(log.takenDown.value, "one's own").toBe(true);
});

test("what somebody said before a silence that is over stays gone, on the page and out of what is told again; later lines stand", () => {
  const { room, log, ids } = chat();
  const said = (id: string, at: number, subject = "gst_loud") => line(id, id, { at, subject });
  const [early, edge, late, other, own] = [said("early", 9_999), said("edge", 10_000), said("late", 10_001), said("other", 1, "gst_other"), said("own", 9_000, ME)];
  room.says([early, other, own]);
  const gone = { lines: [], authors: [], earlier: [{ subject: "gst_loud", before: 10_000 }] };
  tell(room, "lines.gone", gone);
  expect(ids(), "on the page already").toEqual(["other", "own"]);
  room.says([early, edge, late], true);
  expect(ids(), "told to who comes back").toEqual(["other", "own", "edge", "late"]);
  room.says([said("slow", 9_998)]);
  expect(ids(), "said then, and heard only now").toEqual(["other", "own", "edge", "late"]);
  expect(log.takenDown.value).toBe(false);
  tell(room, "lines.gone", { ...gone, earlier: [...gone.earlier, { subject: ME, before: 9_001 }] });
  expect(ids()).toEqual(["other", "edge", "late"]);
  expect(log.takenDown.value, "one's own").toBe(true);
  tell(room, "lines.gone", { lines: [], authors: [] });
  room.says([early], true);
  expect(ids(), "only what stands in the newest word counts").toEqual(["other", "early", "edge", "late"]);
});

test("nothing is shown of somebody while their time-out lasts, and without another word what they say behind its end", () => {
  const { room, ids } = chat();
  const ends = serverNow() + 300_000;
  const said = (id: string, at: number) => line(id, id, { at, subject: "gst_loud" });
  room.says([said("rude", ends - 301_000)]);
  tell(room, "lines.gone", { lines: [], authors: [], earlier: [{ subject: "gst_loud", before: ends }] });
  room.says([said("slipped through", ends - 1), said("sorry", ends)]);
  expect(ids()).toEqual(["sorry"]);
});

test("when not all who were silenced are named, nothing of before that time is told to who comes; what stands on the page stays", () => {
  const { room, ids } = chat();
  const at = (id: string, at: number) => line(id, id, { at });
  room.says([at("here", 1)]);
  tell(room, "lines.gone", { lines: [], authors: [], before: 5_000 });
  room.says([at("before", 4_999), at("since", 5_000)], true);
  expect(ids()).toEqual(["here", "since"]);
  room.says([at("now", 4_000)]);
  expect(ids(), "said just now, by a clock that goes a little wrong").toEqual(["here", "now", "since"]);
});

test("slow mode counts from the last line that was taken, and ends the wait when it is turned off", async () => {
  const { room, log } = chat();
  tell(room, "talk.set", { slow_seconds: 30 });
  expect(log.waitUntil.value).toBe(0);
  const said = log.say("one");
  room.asked[0]!.settle("l1");
  await said;
  expect(log.slowed.value).toBe(true);
  expect(log.waitUntil.value - performance.now()).toBeGreaterThan(25_000);
  tell(room, "talk.set", { slow_seconds: 0 });
  expect([log.slowed.value, log.waitUntil.value]).toEqual([false, 0]);
  const early = log.say("two");
  room.asked[1]!.refuse(new CallError("slow_mode", "", room.asked[1]!.id, 9_000));
  expect(await early).toEqual({ ok: false, problem: "" });
  expect(log.slowed.value).toBe(true);
  log.orders.value = true;
  tell(room, "talk.set", { slow_seconds: 60 });
  expect(log.slowed.value, "not for who runs the show").toBe(false);
});

test("a time-out is kept until it ends, is lifted, or a line is taken", async () => {
  const { room, log } = chat();
  const refused = log.say("let me");
  room.asked[0]!.refuse(new CallError("timed_out", "", room.asked[0]!.id, 300_000));
  expect(await refused).toEqual({ ok: false, problem: "" });
  expect(log.heldUntil.value - serverNow()).toBeGreaterThan(290_000);
  const until = (before: number) => ({ lines: [], authors: [], earlier: [{ subject: ME, before }] });
  tell(room, "lines.gone", until(serverNow() + 300_000));
  expect(log.heldUntil.value).toBeGreaterThan(0);
  tell(room, "lines.gone", until(serverNow()));
  expect(log.heldUntil.value, "lifted").toBe(0);
});

test("a command is no line: it says what it did, keeps its words when refused, and is done once when nobody knows", async () => {
  const { room, log, ids, pending } = chat();
  log.orders.value = true;
  const done = log.say(" /slow  10");
  expect(room.asked[0]!.text).toBe("/slow 10");
  expect(pending()).toEqual([]);
  room.asked[0]!.settle("", "Slow mode: 10 seconds.");
  expect(await done).toEqual({ ok: true, did: "Slow mode: 10 seconds." });
  expect(ids()).toEqual([]);
  const wrong = log.say("/pin 99");
  room.asked[1]!.refuse(new CallError("command_invalid", "There is no row 99.", room.asked[1]!.id));
  expect(await wrong).toEqual({ ok: false, problem: "There is no row 99." });
  const unsure = log.say("/ban Tom");
  room.asked[2]!.refuse(new CallError("line_lost", "", room.asked[2]!.id));
  expect(await unsure).toMatchObject({ ok: false });
  const away = log.say("/ban Tom");
  expect(room.asked[3]!.id).toBe(room.asked[2]!.id);
  room.asked[3]!.refuse(new CallError("not_sent", "", room.asked[3]!.id));
  expect(await away).toMatchObject({ ok: false });
  void log.say("/ban Tom");
  expect(room.asked[4]!.id, "that it did not leave is no answer").toBe(room.asked[2]!.id);
  void log.say("/ban Tim");
  expect(room.asked[5]!.id).not.toBe(room.asked[2]!.id);
  const silenced = log.say("/slow 5");
  room.asked[6]!.refuse(new CallError("timed_out", "You have been timed out.", room.asked[6]!.id, 300_000));
  expect(await silenced, "the field says until when").toEqual({ ok: false, problem: "" });
  expect(log.heldUntil.value - serverNow()).toBeGreaterThan(290_000);
  const free = log.say("/slow 5");
  room.asked[7]!.settle("", "Slow mode: 5 seconds.");
  await free;
  expect(log.heldUntil.value).toBe(0);
});

test("a command may be longer than a line, waits as the room says, and is one for who runs the show alone", async () => {
  const { room, log } = chat();
  const long = `/${"ü".repeat(MAX_COMMAND - 1)}`;
  expect(await log.say(long)).toMatchObject({ ok: false });
  log.orders.value = true;
  expect(await log.say(`${long}ü`)).toMatchObject({ ok: false });
  expect(await log.say("ü".repeat(MAX_TEXT + 1))).toMatchObject({ ok: false });
  expect(room.asked).toHaveLength(0);
  const early = log.say(long);
  room.asked[0]!.refuse(new CallError("too_often", "", room.asked[0]!.id, 9_000));
  expect(await early).toMatchObject({ ok: false });
  expect(log.waitUntil.value - performance.now()).toBeGreaterThan(5_000);
});

test("what became of the words is kept with the conversation, not with the field, which goes with its tab", async () => {
  const { room, log } = chat();
  log.orders.value = true;
  log.draft.value = "/slow 10";
  const done = log.sayDraft();
  expect(log.draft.value).toBe("");
  room.asked[0]!.settle("", "Slow mode: 10 seconds.");
  await done;
  expect(log.did.value).toBe("Slow mode: 10 seconds.");
  log.draft.value = "/pin 99";
  const wrong = log.sayDraft();
  expect(log.did.value).toBe("");
  room.asked[1]!.refuse(new CallError("command_invalid", "There is no row 99.", room.asked[1]!.id));
  await wrong;
  expect([log.draft.value, log.problem.value]).toEqual(["/pin 99", { words: "There is no row 99.", until: 0 }]);
  log.forgive();
  expect(log.problem.value.words).toBe("");
  const early = log.sayDraft();
  log.draft.value = "something new";
  room.asked[2]!.refuse(new CallError("too_often", "", room.asked[2]!.id, 9_000));
  await early;
  expect(log.draft.value, "what was typed meanwhile stays").toBe("something new");
  expect(log.problem.value, "it is over with the wait").toEqual({ words: expect.stringContaining("slower") as unknown, until: log.waitUntil.value });
});
