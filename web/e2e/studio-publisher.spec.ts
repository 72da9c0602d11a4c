// Staying on air, with a world made of promises: every way a session can end, and who comes back when.

import { expect, test } from "@playwright/test";
import { ApiError } from "../app/shared/http";
import { LOW } from "../app/studio/devices";
import { judge, Publisher, type Ports } from "../app/studio/publisher";
import type { EndReason, Session } from "../app/studio/whip";

class FakeSession {
  readonly replaced: string[] = [];
  closes = 0;
  end!: (reason: EndReason) => void;
  up!: () => void;
  readonly ended = new Promise<EndReason>((resolve) => (this.end = resolve));
  readonly connected = new Promise<void>((resolve) => (this.up = resolve));
  readonly pc = { getStats: async () => new Map() } as unknown as RTCPeerConnection;
  readonly video = this.sender("video");
  readonly audio = this.sender("audio");
  giveUp = (): void => this.end("lost");
  closeOnPageHide = (): void => void this.close();
  async close(): Promise<void> {
    this.closes++;
    this.end("stopped");
  }
  private sender(kind: string): RTCRtpSender {
    return { replaceTrack: async () => void this.replaced.push(kind) } as unknown as RTCRtpSender;
  }
}

class World {
  readonly sessions: FakeSession[] = [];
  seen: "on_air" | "off_air" | "ended" | Error = "on_air";
  looks = 0;
  refuse: (() => Error | null) | null = null;
  readonly publisher: Publisher;
  constructor() {
    const ports: Ports = {
      ticket: async () => ({ whip_url: "/whip/shw_1", token: "ticket" }),
      look: async () => {
        this.looks++;
        if (this.seen instanceof Error) throw this.seen;
        return this.seen;
      },
      publish: async () => {
        const error = this.refuse?.();
        if (error) throw error;
        const session = new FakeSession();
        this.sessions.push(session);
        return session as unknown as Session;
      },
    };
    this.publisher = new Publisher(ports, () => ({ video: null, audio: null }), LOW, () => false);
  }
  get name(): string {
    return this.publisher.phase.value.name;
  }
  get last(): FakeSession {
    return this.sessions[this.sessions.length - 1]!;
  }
  async until(name: string): Promise<void> {
    await expect.poll(() => this.name, { intervals: [5, 20, 50], timeout: 15_000 }).toBe(name);
  }
  async sessionNumber(n: number): Promise<FakeSession> {
    await expect.poll(() => this.sessions.length, { intervals: [5, 20, 50] }).toBe(n);
    return this.last;
  }
  async live(): Promise<FakeSession> {
    this.publisher.start();
    const session = await this.sessionNumber(this.sessions.length + 1);
    session.up();
    await this.until("live");
    return session;
  }
}

test("starting twice is one session; stopping tells the server once", async () => {
  const world = new World();
  world.publisher.start();
  await world.live();
  expect(world.sessions).toHaveLength(1);
  await world.publisher.stop();
  await world.publisher.stop();
  expect(world.name).toBe("idle");
  expect(world.last.closes).toBeGreaterThan(0);
});

test("a lost line comes back by itself, without asking who is on air", async () => {
  const world = new World();
  (await world.live()).end("lost");
  (await world.sessionNumber(2)).up();
  await world.until("live");
  expect(world.looks).toBe(0);
  await world.publisher.stop();
});

test("closed by the server and still on air past the grace time: somebody took over; take back works", async () => {
  const world = new World();
  (await world.live()).end("closed_by_server");
  await world.until("checking");
  await world.until("elsewhere");
  expect(world.looks).toBe(8);
  expect(world.sessions).toHaveLength(1);
  await world.live();
  expect(world.sessions).toHaveLength(2);
  await world.publisher.stop();
});

test("closed by the server and then off air: nobody took over, so it goes on", async () => {
  const world = new World();
  (await world.live()).end("closed_by_server");
  await world.until("checking");
  world.seen = "off_air";
  (await world.sessionNumber(2)).up();
  await world.until("live");
  await world.publisher.stop();
});

test("closed by a server that restarts: it goes on", async () => {
  const world = new World();
  world.seen = new ApiError(0, "unreachable", "gone");
  (await world.live()).end("closed_by_server");
  (await world.sessionNumber(2)).up();
  await world.until("live");
  await world.publisher.stop();
});

test("closed because the show ended elsewhere: it is over", async () => {
  const world = new World();
  world.seen = "ended";
  (await world.live()).end("closed_by_server");
  await world.until("over");
  expect(world.sessions).toHaveLength(1);
});

test("refusals that last end the trying, the others are tried again", async () => {
  const phase = (status: number, code: string) => {
    const outcome = judge(new ApiError(status, code, "said"));
    return outcome.next === "done" ? outcome.phase.name : "retry";
  };
  expect(phase(409, "publisher_present")).toBe("refused");
  expect(phase(406, "no_common_codec")).toBe("refused");
  expect(phase(401, "key_invalid")).toBe("refused");
  expect(phase(403, "anything")).toBe("refused");
  expect(phase(404, "show_unknown")).toBe("refused");
  expect(phase(410, "show_ended")).toBe("over");
  for (const status of [0, 429, 500, 502, 503]) expect(phase(status, "x"), String(status)).toBe("retry");
  expect(judge(new TypeError("odd")).next).toBe("retry");
});

test("Retry-After is waited for, and a nudge cuts the wait short", async () => {
  const world = new World();
  let refusals = 0;
  world.refuse = () => (refusals++ === 0 ? new ApiError(503, "unavailable", "wait", 20_000) : null);
  world.publisher.start();
  await world.until("waiting");
  const phase = world.publisher.phase.value;
  expect(phase.name === "waiting" && phase.at - performance.now()).toBeGreaterThan(19_000);
  world.publisher.nudge();
  (await world.sessionNumber(1)).up();
  await world.until("live");
  await world.publisher.stop();
});

test("stopped while the server is still answering: the late session is closed, not leaked", async () => {
  const world = new World();
  let answer!: () => void;
  const slow = new Promise<void>((resolve) => (answer = resolve));
  const late = new FakeSession();
  const publisher = new Publisher(
    {
      ticket: async () => ({ whip_url: "/whip/shw_1", token: "ticket" }),
      look: async () => "on_air",
      publish: async () => {
        await slow;
        return late as unknown as Session;
      },
    },
    () => ({ video: null, audio: null }),
    LOW,
    () => false,
  );
  publisher.start();
  await expect.poll(() => publisher.phase.value.name).toBe("connecting");
  const stopped = publisher.stop();
  answer();
  await stopped;
  expect(late.closes).toBe(1);
  expect(publisher.phase.value.name).toBe("idle");
  expect(world.sessions).toHaveLength(0);
});

test("a session that fails while its tracks are set is closed and replaced", async () => {
  const world = new World();
  world.publisher.start();
  const first = await world.sessionNumber(1);
  first.end("lost");
  (await world.sessionNumber(2)).up();
  await world.until("live");
  expect(first.closes).toBe(1);
  await world.publisher.stop();
});

test("another tab of this browser is live: this one leaves and says so", async () => {
  const world = new World();
  const session = await world.live();
  world.publisher.yieldTo();
  await world.until("elsewhere");
  expect(session.closes).toBeGreaterThan(0);
});

test("tracks swapped while live are swapped in the session, not renegotiated", async () => {
  const world = new World();
  const session = await world.live();
  const before = session.replaced.length;
  await world.publisher.replace("video", null);
  expect(session.replaced.slice(before)).toEqual(["video"]);
  expect(world.sessions).toHaveLength(1);
  await world.publisher.stop();
  await world.publisher.replace("video", null); // nobody is there: nothing happens
});
