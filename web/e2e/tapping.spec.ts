// A tap over the room's line, in the built page: a shop made of answers says what the line says, and whether it lives.

import { expect, test, type Page } from "@playwright/test";
import { PAN_VARIANT, SHOW, hold } from "./fixtures/kitchen";
import { problem, Shop } from "./fixtures/pages";
import { held, openBuy, usual } from "./fixtures/states";

async function shopOf(page: Page, before?: (shop: Shop) => void): Promise<Shop> {
  const shop = new Shop(page);
  usual(shop);
  // No picture needed here, and a browser without video is a quicker one.
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  await shop.start();
  before?.(shop);
  await shop.open(`/s/${SHOW}`);
  await expect.poll(() => shop.heard.filter(({ t }) => t === "ping").length, { message: "it has joined" }).toBeGreaterThan(0);
  return shop;
}

interface Tap {
  hold: string;
  variant: string;
  quantity: number;
  unit: number;
}
const taps = (shop: Shop): Tap[] => shop.heard.filter(({ call }) => call === "hold.put").map(({ d }) => d as Tap);
const requests = (shop: Shop): string[] => shop.calls.flatMap(({ key }) => (key.startsWith("PUT /holds/") ? [key.split("/")[2]!] : []));

test("a page with a line taps over it, and over nothing else", async ({ page }) => {
  const shop = await shopOf(page, (s) => (s.onCall = ({ d }) => ({ d: hold((d as unknown as Tap).hold) })));
  await held(shop);
  expect(taps(shop)).toEqual([{ hold: expect.stringMatching(/^hld_[0-9a-f]{32}$/) as unknown as string, variant: PAN_VARIANT, quantity: 1, unit: 4900 }]);
  expect(requests(shop)).toEqual([]);
});

test("what the room refuses is said as HTTP would have said it", async ({ page }) => {
  const shop = await shopOf(page, (s) => (s.onCall = () => ({ error: { code: "price_changed", detail: "The price has just changed.", d: { status: 409, price: { amount: 5200, currency: "EUR" } } } })));
  await openBuy(shop);
  await expect(page.getByText("now costs €52.00", { exact: false })).toBeVisible();
  shop.onCall = () => ({ error: { code: "sold_out", detail: "This is sold out.", d: { status: 409, left: 0 } } });
  await page.getByRole("button", { name: "Take it for €52.00" }).click();
  await expect(page.getByRole("heading", { name: "Sold out" })).toBeVisible();
  expect(taps(shop).map(({ unit }) => unit)).toEqual([4900, 5200]);
  expect(requests(shop)).toEqual([]);
});

test("a line that dies before the answer, and one that says nothing: the same hold over HTTP", async ({ page }) => {
  const shop = await shopOf(page, (s) => {
    s.onCall = ({ d }) => {
      const { hold: id } = d as unknown as Tap;
      s.answers[`GET /holds/${id}`] = { body: hold(id) };
      void s.sockets[0]!.close({ code: 1011 });
      return null;
    };
  });
  await held(shop);
  expect(requests(shop)).toEqual(taps(shop).map(({ hold }) => hold));
  await page.getByRole("button", { name: "I changed my mind, let it go" }).click();
  await expect.poll(() => shop.sockets.length, { message: "back in the room", timeout: 20_000 }).toBe(1);
  const pings = shop.heard.filter(({ t }) => t === "ping").length;
  await expect.poll(() => shop.heard.filter(({ t }) => t === "ping").length).toBeGreaterThan(pings);
  shop.onCall = () => null;
  await page.getByRole("button", { name: "Hold one again" }).click();
  await expect(page.getByText("Held for you:")).toBeVisible({ timeout: 15_000 });
  expect(taps(shop)).toHaveLength(2);
  expect(requests(shop)).toEqual(taps(shop).map(({ hold }) => hold));
});

test("who signs in in another tab is that person on the line too", async ({ page, context }) => {
  const shop = await shopOf(page);
  const joins = (): number => shop.heard.filter(({ t }) => t === "join").length;
  const asked = shop.count("GET /me");
  const other = await context.newPage();
  const elsewhere = new Shop(other);
  usual(elsewhere);
  await elsewhere.start();
  await elsewhere.open("/");
  await other.evaluate(() => localStorage.setItem("rialto.session", "another"));
  await expect.poll(joins).toBe(2);
  expect(shop.count("GET /me")).toBe(asked + 1);
  await expect.poll(() => shop.sockets.length).toBe(1);
  expect(shop.heard.filter(({ t }) => t === "join")[1]).toMatchObject({ epoch: "e1" });
});
