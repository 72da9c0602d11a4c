// The promise behind Buy: whatever is tapped twice, lost, declined or reloaded, nothing is bought twice and nothing is
// said to be yours that is not.

import { expect, test } from "@playwright/test";
import { hold, PAN_VARIANT, order, SHOW } from "./fixtures/kitchen";
import { problem, Shop, type Answer } from "./fixtures/pages";
import { fillCard, held, openBuy, payButton, usual } from "./fixtures/states";

const SECOND_VERSION = 200;

async function shopOf(page: import("@playwright/test").Page): Promise<Shop> {
  const shop = new Shop(page);
  usual(shop);
  // No picture needed here, and a browser without video is a quicker one.
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  await shop.start();
  await shop.open(`/s/${SHOW}`);
  return shop;
}

const ids = (shop: Shop, what: "holds" | "orders"): string[] => shop.calls.flatMap(({ key }) => (key.startsWith(`PUT /${what}/`) ? [key.split("/")[2]!] : []));
const distinct = (list: string[]): number => new Set(list).size;

/** Answers in turn; the last one stays. */
function inTurn(...answers: ((id: string) => Answer)[]): (id: string) => Answer {
  return (id) => (answers.length > 1 ? answers.shift()! : answers[0]!)(id);
}

test("a double tap on Buy and on Pay asks for one hold and one order", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onOrder = (id) => ({ body: order(id), afterMs: 2_000 });
  await page.getByRole("button", { name: "Buy Copper pan 28 cm" }).dblclick();
  await expect(page.getByText("Held for you:")).toBeVisible();
  await fillCard(shop);
  // Within one task, before the button can be drawn as busy; and again while it is.
  await page.locator("form#pay").evaluate((form: HTMLFormElement) => {
    form.requestSubmit();
    form.requestSubmit();
  });
  // Forced: a busy button is not one that the tool would press by itself.
  await page.locator(".btn-buy[form=pay]").click({ force: true });
  await expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible();
  expect(ids(shop, "holds")).toHaveLength(1);
  expect(ids(shop, "orders")).toHaveLength(1);
  await expect(page.getByText("R-2026-000042")).toBeVisible();
});

test("lost answers are asked for again with the same ids", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onHold = inTurn(() => ({ lost: true }), () => problem(503, "stock_unavailable", "Later.", {}, { "Retry-After": "0" }), (id) => ({ body: hold(id) }));
  shop.onOrder = inTurn(() => ({ lost: true }), () => ({ status: 502, body: "a proxy" }), (id) => ({ body: order(id) }));
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible({ timeout: 20_000 });
  expect(ids(shop, "holds")).toHaveLength(3);
  expect(distinct(ids(shop, "holds"))).toBe(1);
  expect(ids(shop, "orders")).toHaveLength(3);
  expect(distinct(ids(shop, "orders"))).toBe(1);
});

test("a payment without an answer stays unsure, then is found by the same id", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onOrder = () => problem(503, "payment_unavailable", "Later.", {}, { "Retry-After": "0" });
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await expect(page.getByText(/We have not heard yet/)).toBeVisible();
  await expect(page.getByLabel("Card number")).toHaveAttribute("readonly", "");
  shop.onOrder = (id) => ({ body: order(id) });
  await expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible({ timeout: 20_000 });
  expect(distinct(ids(shop, "orders"))).toBe(1);
});

test("a declined card keeps the hold; another card is a new order on it", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onOrder = inTurn(
    () => problem(402, "card_declined", "Declined.", { expires_at: new Date(Date.now() + 190_000).toISOString() }),
    (id) => ({ body: order(id) }),
  );
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await expect(page.getByText(/Your bank said no\. Copper pan 28 cm is still held for 3:(0\d|10)/)).toBeVisible();
  await payButton(shop).click();
  await expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible();
  expect(ids(shop, "holds")).toHaveLength(1);
  expect(distinct(ids(shop, "orders"))).toBe(2);
  const onHolds = shop.calls.filter(({ key }) => key.startsWith("PUT /orders/")).map(({ body }) => (body as { hold: string }).hold);
  expect(distinct(onHolds)).toBe(1);
});

test("closing the sheet keeps the hold, a reload finds it, letting go releases it", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.getByRole("button", { name: /^Pay \d:\d\d/ }).click();
  await expect(page.getByText("Held for you:")).toBeVisible();
  await page.reload();
  await held(shop);
  expect(distinct(ids(shop, "holds"))).toBe(1);
  const id = ids(shop, "holds")[0]!;
  shop.answers[`DELETE /holds/${id}`] = { status: 204 };
  await page.getByRole("button", { name: /changed my mind/ }).click();
  await expect(page.getByRole("heading", { name: "Your hold has ended" })).toBeVisible();
  await expect.poll(() => shop.count(`DELETE /holds/${id}`)).toBe(1);
});

test("a clock at its end asks: nothing is over while nobody answers, and a later end counts", async ({ page }) => {
  const shop = await shopOf(page);
  const ends = (ms: number) => ({ expires_at: new Date(Date.now() + ms).toISOString(), left_ms: ms });
  shop.onHold = (id) => ({ body: hold(id, ends(1_500)) });
  shop.onHoldAsked = inTurn(() => problem(503, "unavailable", "Later.", {}, { "Retry-After": "1" }), (id) => ({ body: hold(id, ends(300_000)) }));
  await held(shop);
  await expect(page.getByText(/^Held for you: 4:[345]\d$/)).toBeVisible({ timeout: 20_000 });
  await expect(page.getByRole("heading", { name: "Your hold has ended" })).toHaveCount(0);
  const id = ids(shop, "holds")[0]!;
  expect(ids(shop, "holds")).toHaveLength(1);
  expect(shop.count(`GET /holds/${id}`)).toBe(2);
});

test("while the creator is away the clock of a hold stands, and says so", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onHold = (id) => ({ body: hold(id, { expires_at: new Date(Date.now() - 60_000).toISOString(), left_ms: 134_000, stands: true }) });
  await held(shop);
  await expect(page.getByText("Held for you: 2:14, and the clock waits until the show is back")).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Go on paying" })).toBeVisible();
  expect(shop.count(`GET /holds/${ids(shop, "holds")[0]!}`)).toBe(0);
});

test("an order that was under way when the page died is found, not made again", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onOrder = () => ({ afterMs: 60_000 });
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await expect.poll(() => ids(shop, "orders").length).toBe(1);
  const id = ids(shop, "orders")[0]!;
  await page.reload();
  shop.answers[`GET /orders/${id}`] = { body: order(id) };
  await openBuy(shop);
  await expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible();
  expect(ids(shop, "orders")).toHaveLength(1);
});

test("a hold that the server ended is not asked for again; a new tap makes a new one", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  await page.reload();
  shop.onHold = inTurn(() => problem(410, "hold_expired", "Ended."), (id) => ({ body: hold(id) }));
  await held(shop);
  const all = ids(shop, "holds");
  expect(all).toHaveLength(3);
  expect(all[0]).toBe(all[1]);
  expect(all[2]).not.toBe(all[0]);
});

test("a hold that is over is never called yours, even when the server repeats it", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  for (const state of ["sold", "released", "void", "expired"] as const) {
    await page.reload();
    shop.onHold = inTurn((id) => ({ body: hold(id, { state }) }), (id) => ({ body: hold(id) }));
    await held(shop);
  }
  expect(distinct(ids(shop, "holds"))).toBe(5);
});

test("another person at the same tab gets their own ids", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  const me = shop.answers["GET /me"] as Answer;
  shop.answers["GET /me"] = { body: { ...(me.body as object), subject: `gst_${"f".repeat(32)}` } };
  await page.reload();
  await held(shop);
  expect(distinct(ids(shop, "holds"))).toBe(2);
});

test("stock and pin follow the room; older words are not believed", async ({ page }) => {
  const shop = await shopOf(page);
  const pinned = page.getByRole("region", { name: /^Showing now/ });
  await expect(pinned.getByText("37 left")).toBeVisible();
  const stock = (v: number, left: number): void => shop.send({ t: "tick", d: [{ t: "stock.set", k: PAN_VARIANT, v, d: { variant: PAN_VARIANT, pool: "", left } }] });
  await expect.poll(() => shop.sockets.length).toBe(1);
  stock(5, 39); // Older than the list that was read at version 10.
  stock(20, 36);
  await expect(pinned.getByText("36 left")).toBeVisible();
  stock(19, 37);
  // Seen after it, so the older word was heard and left.
  shop.send({ t: "price.set", k: PAN_VARIANT, v: 21, d: { variant: PAN_VARIANT, amount: 4500, currency: "EUR" } });
  await expect(pinned.getByText("45.00")).toBeVisible();
  await expect(pinned.getByText("36 left")).toBeVisible();
  stock(22, 0);
  await expect(pinned.getByRole("button", { name: "Copper pan 28 cm is sold out" })).toBeVisible();
  stock(23, 1);
  await expect(pinned.getByRole("button", { name: "Buy Copper pan 28 cm" })).toBeVisible();
  shop.send({ t: "pin.set", k: "pin", v: 30, d: { product: null } });
  await expect(pinned).toHaveCount(0);
});

test("a lost room comes back by resuming; one that restarted by its snapshot; never two sockets", async ({ page }) => {
  const shop = await shopOf(page);
  await expect.poll(() => shop.heard.filter(({ t }) => t === "ping").length).toBeGreaterThan(0);
  await shop.sockets[0]!.close({ code: 1011 });
  await expect.poll(() => shop.heard.filter(({ t }) => t === "join").length, { timeout: 20_000 }).toBe(2);
  expect(shop.heard.filter(({ t }) => t === "join")[1]).toMatchObject({ room: SHOW, epoch: "e1", o: 100 });
  shop.epoch = "e2";
  shop.snapshot = [{ t: "stock.set", k: PAN_VARIANT, v: SECOND_VERSION, d: { variant: PAN_VARIANT, pool: "", left: 3 } }];
  await expect.poll(() => shop.sockets.length).toBe(1);
  await shop.sockets[0]!.close({ code: 4000, reason: '{"reconnect_after":10}' });
  await expect(page.getByText("3 left").first()).toBeVisible({ timeout: 20_000 });
  await page.evaluate(() => {
    for (const name of ["online", "online"]) dispatchEvent(new Event(name));
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await expect.poll(() => shop.sockets.length).toBe(1);
  await shop.sockets[0]!.close({ code: 4103, reason: "The show is closed." });
  await expect(page.getByRole("heading", { name: "This show has ended" })).toBeVisible();
});
