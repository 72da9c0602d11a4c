// Which way a room's line takes, and how an event stream is cut into its blocks, without a line.

import { expect, test } from "@playwright/test";
import { Blocks, openEventStream, type Block } from "../app/shared/eventstream";
import { STREAM_FIRST_MS, STREAM_FOR_MS, WayChoice } from "../app/shared/way";

class Surroundings {
  time = 1_000_000;
  onLine = true;
  hasSockets = true;
  readonly kept = new Map<string, string>();
  readonly storage = {
    getItem: (key: string) => this.kept.get(key) ?? null,
    setItem: (key: string, value: string) => void this.kept.set(key, value),
    removeItem: (key: string) => void this.kept.delete(key),
  };
  choice = (): WayChoice => new WayChoice({ sockets: () => this.hasSockets, online: () => this.onLine, now: () => this.time, storage: this.storage });
}

/** Attempts that fail, by their ways: "socket!" where the stream is to be tried at once. */
function fails(choice: WayChoice, times: number): string[] {
  return Array.from({ length: times }, () => choice.next() + (choice.failed() ? "!" : ""));
}

test("a socket first; the stream after two that did not open, and by turns while nothing answers, never two in one moment", () => {
  const choice = new Surroundings().choice();
  expect(fails(choice, 6)).toEqual(["socket", "socket", "stream", "socket", "stream", "socket"]);
  choice.next();
  choice.opened();
  expect(choice.next()).toBe("stream");
});

test("a line that was open and drops is no reason to change the way", () => {
  const choice = new Surroundings().choice();
  for (let i = 0; i < 5; i++) {
    expect(choice.next()).toBe("socket");
    choice.opened();
    expect(fails(choice, 1)).toEqual(["socket"]);
  }
});

test("failures far apart, or while the browser is offline, or before the network came back, say nothing", () => {
  const around = new Surroundings();
  const choice = around.choice();
  for (let i = 0; i < 4; i++) {
    expect(fails(choice, 1)).toEqual(["socket"]);
    around.time += 60_001;
  }
  around.onLine = false;
  expect(fails(choice, 4)).toEqual(["socket", "socket", "socket", "socket"]);
  around.onLine = true;
  expect(fails(choice, 2)).toEqual(["socket", "socket"]);
  choice.fresh();
  expect(choice.next()).toBe("socket");
});

test("what was learned holds for the session's next pages, half a minute at first; then one socket is tried, and it counts", () => {
  const around = new Surroundings();
  const first = around.choice();
  fails(first, 2);
  expect(first.next()).toBe("stream");
  first.opened();
  expect(first.doubtIn).toBe(STREAM_FIRST_MS);
  const second = around.choice();
  expect(second.next()).toBe("stream");
  expect(second.doubting).toBe(false);
  second.opened();
  around.time += STREAM_FIRST_MS - 1;
  expect([second.doubtIn, second.next()]).toEqual([1, "stream"]);
  around.time += 1;
  expect([second.doubtIn, second.next(), second.doubting]).toEqual([0, "socket", true]);
  expect(second.failed(), "one is enough for who knew it").toBe(true);
  expect(second.next()).toBe("stream");
  second.opened();
  expect(second.doubtIn, "each no makes it longer").toBe(2 * STREAM_FIRST_MS);
  expect(around.choice().next(), "the next page knows it too").toBe("stream");
  around.time += 2 * STREAM_FIRST_MS;
  expect(second.next()).toBe("socket");
  second.opened();
  expect([second.doubtIn, around.kept.size]).toEqual([null, 0]);
  expect(around.choice().next(), "the next page begins with a socket").toBe("socket");
});

test("how long a stream is taken grows to ten minutes and no further, across pages", () => {
  const around = new Surroundings();
  let choice = around.choice();
  fails(choice, 2);
  choice.next();
  choice.opened();
  for (let lasts = STREAM_FIRST_MS, n = 0; n < 8; n++) {
    expect(choice.doubtIn).toBe(lasts);
    around.time += lasts;
    choice = around.choice();
    expect([choice.next(), choice.failed(), choice.next()]).toEqual(["socket", true, "stream"]);
    choice.opened();
    lasts = Math.min(STREAM_FOR_MS, 2 * lasts);
  }
  expect(choice.doubtIn).toBe(STREAM_FOR_MS);
});

test("a stream that stops answering is given up after two failures, not for one", () => {
  const around = new Surroundings();
  const choice = around.choice();
  fails(choice, 2);
  choice.next();
  choice.opened();
  expect(fails(choice, 3)).toEqual(["stream", "stream", "socket"]);
});

test("without WebSockets there is no other way, and nothing to doubt", () => {
  const around = new Surroundings();
  around.hasSockets = false;
  const choice = around.choice();
  expect(fails(choice, 3)).toEqual(["stream", "stream", "stream"]);
  choice.next();
  choice.opened();
  expect([choice.doubtIn, around.kept.size]).toEqual([null, 0]);
});

test("a clock that was set back, nonsense in the storage, and a storage that throws hold nobody", () => {
  const around = new Surroundings();
  for (const nonsense of [`${around.time + STREAM_FIRST_MS + 1} ${STREAM_FIRST_MS}`, `${around.time + 1} ${STREAM_FOR_MS + 1}`, String(around.time + 1), "soon", ""]) {
    around.kept.set("rialto.stream-until", nonsense);
    expect(around.choice().next(), nonsense).toBe("socket");
  }
  around.storage.getItem = around.storage.setItem = (): never => {
    throw new Error("forbidden");
  };
  const choice = around.choice();
  fails(choice, 2);
  choice.next();
  choice.opened();
  expect(choice.next()).toBe("stream");
});

test("a stream in pieces of any size is the same blocks; comments and empty ones are none", () => {
  const stream = ': hello\n\nevent: line\ndata: {"line":"a"}\n\n:\n\ndata: {"t":"joined"}\n\nevent: lost\n\ndata:one\r\ndata: two\r\n\r\nid: 7\nretry\ndata\n\ndata: never ended';
  const whole: Block[] = [
    { event: "line", data: '{"line":"a"}' },
    { event: "", data: '{"t":"joined"}' },
    { event: "", data: "one\ntwo" },
    { event: "", data: "" },
  ];
  for (const size of [1, 2, 3, 7, 1_000]) {
    const told: Block[] = [];
    const blocks = new Blocks((block) => told.push(block));
    for (let i = 0; i < stream.length; i += size) blocks.push(stream.slice(i, i + size));
    expect(told, `in pieces of ${size}`).toEqual(whole);
  }
});

test("a line without an end is not kept", () => {
  const blocks = new Blocks(() => undefined);
  const piece = "x".repeat(1 << 20);
  for (let i = 0; i < 8; i++) blocks.push(piece);
  expect(() => blocks.push("x")).toThrow();
});

test("a server that is full says when to come back: no lost line, and no word about the network", async () => {
  const real = globalThis.fetch;
  const told: string[] = [];
  const answers: ResponseInit[] = [
    { status: 503, headers: { "Content-Type": "application/problem+json", "Retry-After": "7" } },
    { status: 503, headers: { "Content-Type": "text/html", "Retry-After": "7" } },
    { status: 503, headers: { "Content-Type": "application/problem+json" } },
  ];
  try {
    for (const answer of answers) {
      globalThis.fetch = () => Promise.resolve(new Response("{}", answer));
      await new Promise<void>((done) =>
        openEventStream("/events", {
          greet: () => ({ t: "join", room: "shw_1" }),
          heard: () => undefined,
          ended: (code) => done(void told.push(`ended ${code}`)),
          putOff: (ms) => done(void told.push(`put off ${ms}`)),
        }),
      );
    }
  } finally {
    globalThis.fetch = real;
  }
  expect(told).toEqual(["put off 7000", "ended 1006", "ended 1006"]);
});
