// The studio's judgements, each without a page: codecs, the line's words, silence, black, faults in words, drafts.

import { expect, test } from "@playwright/test";
import { check } from "../app/studio/draft";
import { explain, named } from "../app/studio/devices";
import { decibels, position, SILENCE_MS, SilenceWatch } from "../app/studio/meter";
import { PictureJudge } from "../app/studio/picture";
import { LineJudge, WARM_UP_MS, type Counters } from "../app/studio/quality";
import { verdict } from "../app/studio/reach";
import { elapsed, fromLocalInput, toLocalInput } from "../app/shared/back/words";
import { rankCodecs } from "../app/studio/whip";

test("H264 constrained baseline goes first, VP8 next, and nothing is lost", () => {
  const codecs = [
    { mimeType: "video/VP8" },
    { mimeType: "video/rtx" },
    { mimeType: "video/H264", sdpFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=0;profile-level-id=42e01f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=42001f" },
    { mimeType: "video/H264", sdpFmtpLine: "packetization-mode=1;profile-level-id=42e01f" },
  ];
  const ranked = rankCodecs(codecs);
  expect(ranked.slice(0, 3)).toEqual([codecs[5], codecs[4], codecs[0]]);
  expect(new Set(ranked)).toEqual(new Set(codecs));
});

const TARGET = 1_000_000;
const counters = (second: number, kbps: number, more: Partial<Counters> = {}): Counters => ({
  atMs: second * 1000,
  bytes: (second * kbps * 1000) / 8,
  received: second,
  framesSent: second * 30,
  width: 1280,
  height: 720,
  limitedBy: "none",
  rttMs: 20,
  loss: 0,
  ...more,
});
const settle = (reading: (second: number) => Counters, still = false) => {
  const judge = new LineJudge();
  let report = judge.next(reading(1), TARGET, still);
  for (let second = 2; second <= 12; second++) report = judge.next(reading(second), TARGET, still);
  return report;
};

test("the line is called what it is", () => {
  expect(settle((s) => counters(s, 900)).line).toBe("good");
  expect(settle((s) => counters(s, 900, { loss: 0.03 })).line).toBe("fair");
  expect(settle((s) => counters(s, 900, { loss: 0.2 })).line).toBe("weak");
  expect(settle((s) => counters(s, 900, { rttMs: 900 })).line).toBe("weak");
  expect(settle((s) => counters(s, 200, { limitedBy: "bandwidth" })).line).toBe("weak");
  expect(settle((s) => counters(s, 200, { limitedBy: "bandwidth" }), true).line, "a still picture needs few bits").toBe("good");
  expect(settle((s) => counters(s, 0, { framesSent: 0 })).line).toBe("silent");
  expect(settle((s) => counters(s, 900, { limitedBy: "cpu" })).advice).toContain("busy");
});

test("a starting estimate is no weak line, and one bad reading changes no word", () => {
  const judge = new LineJudge();
  for (let ms = 0; ms < WARM_UP_MS; ms += 1000) expect(judge.next(counters(1 + ms / 1000, 100, { limitedBy: "bandwidth" }), TARGET, false).line).not.toBe("weak");
  const calm = new LineJudge();
  for (let s = 1; s < 10; s++) calm.next(counters(s, 900), TARGET, false);
  expect(calm.next(counters(10, 900, { loss: 0.5 }), TARGET, false).line).toBe("good");
  expect(calm.next(counters(11, 900, { loss: 0.5 }), TARGET, false).line).toBe("weak");
});

test("counters that start again are not read as a negative bitrate", () => {
  const judge = new LineJudge();
  judge.next(counters(9, 900), TARGET, false);
  const report = judge.next({ ...counters(10, 900), bytes: 10 }, TARGET, false);
  expect(report.kbps).toBe(0);
  expect(report.line).toBe("measuring");
});

test("silence is said after its time, and forgotten with the first sound", () => {
  const watch = new SilenceWatch();
  expect(watch.silent(-60, 0)).toBe(false);
  expect(watch.silent(-60, SILENCE_MS - 1)).toBe(false);
  expect(watch.silent(-60, SILENCE_MS)).toBe(true);
  expect(watch.silent(-30, SILENCE_MS + 1)).toBe(false);
  expect(watch.silent(-60, SILENCE_MS + 2)).toBe(false);
});

test("the meter's scale", () => {
  expect(decibels(new Float32Array(16))).toBe(-60);
  expect(decibels(new Float32Array(16).fill(1))).toBe(0);
  expect(decibels(new Float32Array(0))).toBe(-60);
  expect([position(-90), position(-60), position(-30), position(3)]).toEqual([0, 0, 0.5, 1]);
});

test("black and frozen pictures are told from a tripod shot and a dark room", () => {
  const grey = (value: number) => new Uint8Array(576).fill(value);
  const noisy = (value: number, at: number) => grey(value).fill(value + 1, at % 576, (at % 576) + 1);
  const run = (picture: (i: number) => Uint8Array) => {
    const judge = new PictureJudge();
    let fault = "";
    for (let i = 0; i < 12; i++) fault = judge.next(picture(i), i * 500);
    return fault;
  };
  expect(run((i) => noisy(0, i))).toBe("black");
  expect(run(() => grey(90))).toBe("frozen");
  expect(run((i) => noisy(90, i))).toBe("");
  expect(run((i) => noisy(12, i))).toBe("");
});

test("a refused device is explained by its error's name alone", () => {
  const named = (name: string) => Object.assign(new Error("Permission text in any language"), { name });
  expect(explain(named("NotAllowedError"), "camera")).toMatchObject({ code: "denied", title: "The camera is not allowed here" });
  expect(explain(named("NotFoundError"), "microphone").code).toBe("missing");
  expect(explain(named("NotReadableError"), "camera").code).toBe("busy");
  expect(explain("what is this", "camera").code).toBe("failed");
});

test("devices without labels get names, and doubles are left out", () => {
  const device = (kind: MediaDeviceKind, deviceId: string, label = "") => ({ kind, deviceId, label });
  const found = [device("videoinput", "a", "Logi C920 (046d:082d)"), device("videoinput", "b"), device("audioinput", "communications", "Default"), device("audioinput", "")];
  expect(named(found, "videoinput", "Camera")).toEqual([
    { id: "a", label: "Logi C920" },
    { id: "b", label: "Camera 2" },
  ]);
  expect(named(found, "audioinput", "Microphone")).toEqual([]);
});

test("the line check: quick, slow, unsteady, and one slow answer", () => {
  expect(verdict([12, 14, 13, 12, 15])).toMatchObject({ state: "good", ms: 12 });
  expect(verdict([12, 14, 13, 12, 900]).state).toBe("good");
  expect(verdict([12, 600, 700, 650, 15]).state).toBe("slow");
  expect(verdict([500, 510, 505]).state).toBe("slow");
});

test("a product is checked at its limits and one past them", () => {
  const typed = { title: "Pan", description: "", price: "49,90", stock: "40" };
  const complaint = (more: Partial<typeof typed>) => {
    const result = check({ ...typed, ...more }, "EUR", "var_1");
    return "complaints" in result ? Object.keys(result.complaints) : [];
  };
  expect(check(typed, "EUR", "var_1")).toEqual({ draft: { title: "Pan", description: "", price: { amount: 4990, currency: "EUR" }, stock: 40, variant: "var_1" } });
  expect(complaint({ title: "  " })).toEqual(["title"]);
  expect(complaint({ title: "x".repeat(120) })).toEqual([]);
  expect(complaint({ title: "x".repeat(121) })).toEqual(["title"]);
  expect(complaint({ description: "x".repeat(2001) })).toEqual(["description"]);
  expect(complaint({ price: "1000000.00" })).toEqual([]);
  expect(complaint({ price: "1000000.01" })).toEqual(["price"]);
  for (const price of ["", "0", "-1", "4.999", "abc", "1e3"]) expect(complaint({ price }), price).toEqual(["price"]);
  expect(complaint({ stock: "1000000" })).toEqual([]);
  for (const stock of ["", "1000001", "1.5", "-1", "many"]) expect(complaint({ stock }), stock).toEqual(["stock"]);
});

test("running time and local dates", () => {
  expect([elapsed(-5), elapsed(59_999), elapsed(751_000), elapsed(3_723_000)]).toEqual(["00:00", "00:59", "12:31", "1:02:03"]);
  const date = new Date(2026, 10, 22, 18, 30);
  expect(fromLocalInput(toLocalInput(date))).toBe(date.toISOString());
  expect([fromLocalInput(""), fromLocalInput("soon")]).toEqual([null, null]);
});
