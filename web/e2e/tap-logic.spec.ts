// Which way a tap on Buy takes, and what becomes of one whose answer is lost, without a line.

import { expect, test } from "@playwright/test";
import type { Hold } from "../app/shared/api";
import { ApiError, untilAnswered } from "../app/shared/http";
import { CallError } from "../app/shared/realtime";
import { tapper, type TapLine } from "../app/viewer/buy/tap";

const WISH = { show: "shw_1", variant: "var_1", quantity: 1, unit: 4900 };
const yours = (id: string) => ({ id, state: "held" }) as Hold;

type Answer = (id: string) => Promise<Hold>;
const gives: Answer = (id) => Promise.resolve(yours(id));
const fails = (error: Error) => () => Promise.reject(error);

/** Where a tap was heard, in order, with what it asked. */
function shop({ bySocket = true, room = gives, http = gives }: { bySocket?: boolean; room?: Answer; http?: Answer }) {
  const heard: { way: "room" | "http"; id: string; body: object }[] = [];
  const line = {
    bySocket,
    call: (_name: string, { hold, ...body }: { hold: string }) => {
      heard.push({ way: "room", id: hold, body });
      return room(hold);
    },
  };
  const ask = tapper(line as unknown as TapLine, "hld_1", WISH, (id, body) => {
    heard.push({ way: "http", id, body });
    return http(id);
  });
  return { ask, heard, ways: () => heard.map(({ way }) => way) };
}

test("over the room's line where that is a WebSocket, and over HTTP where it is not, or is none", async () => {
  const quick = shop({});
  expect(await quick.ask()).toEqual(yours("hld_1"));
  expect(quick.heard).toEqual([{ way: "room", id: "hld_1", body: { variant: "var_1", quantity: 1, unit: 4900 } }]);
  const slow = shop({ bySocket: false });
  expect(await slow.ask()).toEqual(yours("hld_1"));
  expect(slow.heard).toEqual([{ way: "http", id: "hld_1", body: WISH }]);
});

test("lost with its line, unanswered, never sent, or not known there: asked over HTTP, as the same hold", async () => {
  for (const code of ["line_lost", "timeout", "not_sent", "unknown_call", "unavailable", "call_invalid"]) {
    const unsure = shop({ room: fails(new CallError(code, "", "c1")) });
    expect(await unsure.ask(), code).toEqual(yours("hld_1"));
    expect(unsure.ways(), code).toEqual(["room", "http"]);
    expect(new Set(unsure.heard.map(({ id }) => id)).size).toBe(1);
  }
  const stranger = shop({ room: fails(new CallError("no_identity", "", "c1", null, { status: 401 })) });
  expect(await stranger.ask(), "who has no cookie gets one").toEqual(yours("hld_1"));
  const broken = shop({ room: fails(new TypeError("of this page")) });
  expect(await broken.ask()).toEqual(yours("hld_1"));
});

test("what the shop says in a room is what it says over HTTP: it is not asked twice", async () => {
  const { ask, ways } = shop({ room: fails(new CallError("price_changed", "The price has just changed.", "c1", null, { status: 409, price: { amount: 5200, currency: "EUR" } })) });
  const refusal = await ask().catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ApiError);
  expect(refusal).toMatchObject({ status: 409, code: "price_changed", message: "The price has just changed.", problem: { price: { amount: 5200, currency: "EUR" } } });
  expect(ways()).toEqual(["room"]);
});

test("asked to come again: after as long as the room said, and over HTTP", async () => {
  const { ask, ways } = shop({ room: fails(new CallError("stock_unavailable", "Later.", "c1", 30, { status: 503 })) });
  const from = performance.now();
  expect(await untilAnswered(ask, 4)).toEqual(yours("hld_1"));
  expect(performance.now() - from).toBeGreaterThan(25);
  expect(ways()).toEqual(["room", "http"]);
});

test("however often it is asked, the line is asked once", async () => {
  const { ask, ways } = shop({ room: fails(new CallError("timeout", "", "c1")), http: fails(new ApiError(0, "unreachable", "")) });
  await untilAnswered(ask, 3).catch(() => undefined);
  expect(ways()).toEqual(["room", "http", "http", "http"]);
});
