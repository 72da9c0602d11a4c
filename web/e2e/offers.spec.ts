// Prices for a while and releases at a time: by the server's clock, whatever the device's says, and at once.

import { expect, test, type Page } from "@playwright/test";
import { SHOW, catalog, costs, document as mine, dropSet, flash, hold, order, priceSet, stockSet } from "./fixtures/kitchen";
import { problem, Shop, type Answer } from "./fixtures/pages";
import { held, openBuy, usual } from "./fixtures/states";

/** What two clocks of a show may differ by. */
const AGREE_MS = 50;

async function shopOf(page: Page, before?: (shop: Shop) => unknown): Promise<Shop> {
  const shop = new Shop(page);
  usual(shop);
  // No picture needed here, and a browser without video is a quicker one.
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  await shop.start();
  await before?.(shop);
  await shop.open(`/s/${SHOW}`);
  return shop;
}

const card = (page: Page) => page.getByRole("region", { name: /^Showing now/ });
const holdIds = (shop: Shop): string[] => shop.calls.flatMap(({ key }) => (key.startsWith("PUT /holds/") ? [key.split("/")[2]!] : []));
const joined = (shop: Shop) => expect.poll(() => shop.heard.filter(({ t }) => t === "ping").length).toBeGreaterThan(0);

for (const shift of [-90_000, 90_000]) {
  test.describe(`with a device's clock that is wrong by ${shift / 1_000} s`, () => {
    test("a flash price begins and ends at its times", async ({ page }) => {
      const shop = await shopOf(page, (s) => s.shiftClock(shift));
      await joined(shop);
      const price = await shop.watchFor("instead of");
      const sale = flash(1.5, 4);
      shop.send(priceSet(20, sale));
      await expect(card(page).getByText(/29\.90 from/)).toBeVisible();
      await expect(card(page).getByRole("timer")).toHaveText(/^0:0[123]$/);
      await expect(card(page).getByText("€49.00")).toHaveCSS("text-decoration-line", "line-through");
      await expect(card(page).getByRole("timer")).toHaveCount(0);
      await expect(card(page).getByText("29.90")).toHaveCount(0);
      const { seen, gone } = await price();
      expect(seen, "not before its start").toBeGreaterThanOrEqual(Date.parse(sale.starts_at) - AGREE_MS);
      expect(gone, "not before its end").toBeGreaterThanOrEqual(Date.parse(sale.ends_at) - AGREE_MS);
    });

    test("a release opens at its time and not before", async ({ page }) => {
      const shop = await shopOf(page, (s) => s.shiftClock(shift));
      await joined(shop);
      const drop = dropSet(20, 2.5);
      const closed = await shop.watchFor("Opens in");
      shop.send(drop);
      const button = card(page).getByRole("button", { name: /Opens in 0:0/ });
      await expect(button).toHaveAttribute("aria-disabled", "true");
      await button.click({ force: true });
      await expect(card(page).getByRole("button", { name: "Buy Copper pan 28 cm" })).toBeVisible();
      expect((await closed()).gone).toBeGreaterThanOrEqual(Date.parse(drop.d.opens_at!) - AGREE_MS);
      expect(holdIds(shop), "a tap before the time asks for nothing").toEqual([]);
      await held(shop);
      expect(holdIds(shop)).toHaveLength(1);
    });
  });
}

test("a capped flash price ends with its last unit; the next one is not judged by the count of the last", async ({ page }) => {
  const shop = await shopOf(page, (s) => (s.snapshot = [priceSet(20, flash(-10, 600, { cap: 20 })), stockSet(21, 37, 2)]));
  await expect(card(page).getByText("2 at this price")).toBeVisible();
  await expect(card(page).getByText("37 left")).toBeVisible();
  shop.send(stockSet(22, 35, 0));
  await expect(card(page).getByText("€29.90")).toHaveCount(0);
  await expect(card(page).getByText("€49.00")).toBeVisible();
  await expect(card(page).getByText("at this price")).toHaveCount(0);
  shop.send(priceSet(30, flash(-1, 600, { id: `fls_${"e".repeat(32)}`, amount: 1990, cap: 5 })));
  await expect(card(page).getByText("€19.90")).toBeVisible();
  await expect(card(page).getByText("at this price"), "no number that the server did not send").toHaveCount(0);
  shop.send(stockSet(31, 35, 5));
  await expect(card(page).getByText("5 at this price")).toBeVisible();
  shop.send(priceSet(32, null));
  await expect(card(page).getByText("€49.00")).toBeVisible();
});

test("prices and stock of the list count until the room knows better, and again when it is read anew", async ({ page }) => {
  const list = catalog();
  Object.assign(list.products[0]!.variants[0]!, { flash: { ...flash(-10, 600, { cap: 9 }), left: 3 } });
  const shop = await shopOf(page, (s) => (s.answers[`GET /shows/${SHOW}/products`] = { body: list }));
  await expect(card(page).getByText("3 at this price")).toBeVisible();
  await joined(shop);
  shop.send(priceSet(5, null));
  shop.send(priceSet(6, null, 100));
  shop.send(stockSet(20, 30, 1));
  await expect(card(page).getByText("1 at this price"), "words older than the list change nothing").toBeVisible();
  await expect(card(page).getByText("€29.90")).toBeVisible();
});

test("not open yet by the server's clock: asked again quietly, as the same hold", async ({ page }) => {
  let refusals = 2;
  const shop = await shopOf(page, (s) => {
    // The second answer is long under way, beyond what the clocks may differ: it was judged when it was asked all the same.
    s.onHold = (id) => (refusals-- > 0 ? { ...problem(409, "not_open", "Not yet."), afterMs: refusals === 0 ? 2_500 : 0 } : { body: hold(id) });
  });
  await joined(shop);
  const heading = await shop.watchFor("Not on sale yet");
  shop.send(dropSet(20, 1));
  await expect(card(page).getByRole("button", { name: /Opens in/ })).toBeVisible();
  await tapAtOnce(page);
  await expect(page.getByText("Held for you:")).toBeVisible();
  expect(holdIds(shop)).toHaveLength(3);
  expect(new Set(holdIds(shop)).size).toBe(1);
  expect((await heading()).seen).toBe(0);
});

/** As the quickest thumb there is: in the moment in which the button wakes up. */
const tapAtOnce = (page: Page): Promise<void> =>
  page.evaluate(() => {
    const button = document.querySelector<HTMLElement>(".pin .btn")!;
    new MutationObserver((_, watch) => {
      if (button.getAttribute("aria-disabled") === "true") return;
      watch.disconnect();
      button.click();
    }).observe(button, { attributes: true });
  });

test("not open for another reason is said at once", async ({ page }) => {
  const shop = await shopOf(page, (s) => (s.onHold = () => problem(409, "not_open", "Not yet.")));
  await openBuy(shop);
  await expect(page.getByRole("heading", { name: "Not on sale yet" })).toBeVisible();
  expect(holdIds(shop)).toHaveLength(1);
});

/** What a hold at this price comes to, in cents. */
const comesTo = (goods: number): Answer => ({ body: costs({ goods: { amount: goods, currency: "EUR" }, total: { amount: goods + 490, currency: "EUR" } }) });

const units = (shop: Shop): number[] => shop.calls.flatMap(({ key, body }) => (key.startsWith("PUT /holds/") ? [(body as { unit: number }).unit] : []));

test("a price that changed under the tap is shown and asked about again; nothing is taken meanwhile", async ({ page }) => {
  const shop = await shopOf(page, (s) => {
    s.snapshot = [priceSet(20, flash(-10, 600))];
    // The room has not said so yet: the refusal alone knows it.
    s.onHold = () => problem(409, "price_changed", "The price has just changed.", { price: { amount: 5200, currency: "EUR" } });
  });
  await expect(card(page).getByText("€29.90")).toBeVisible();
  await openBuy(shop);
  await expect(page.getByText("now costs €52.00", { exact: false })).toBeVisible();
  shop.onHold = (id) => ({ body: hold(id, { unit: { amount: 5200, currency: "EUR" }, total: { amount: 5200, currency: "EUR" } }) });
  shop.onCosts = () => comesTo(5200);
  await page.getByRole("button", { name: "Take it for €52.00" }).click();
  await expect(page.getByRole("button", { name: "Pay €56.90" })).toBeVisible();
  expect(units(shop), "what was shown is what was asked for").toEqual([2990, 5200]);
  expect(new Set(holdIds(shop)).size, "the first id is judged and gone").toBe(2);
});

test("a refusal that names no price: what things cost is read again", async ({ page }) => {
  const shop = await shopOf(page, (s) => (s.onHold = () => problem(409, "price_changed", "The price has just changed.")));
  const list = catalog({ version: 40 });
  list.products[0]!.variants[0]!.price = { amount: 5200, currency: "EUR" };
  shop.answers[`GET /shows/${SHOW}/products`] = { body: list };
  await openBuy(shop);
  await expect(page.getByText("now costs €52.00", { exact: false })).toBeVisible();
});

test("an answer that was lost is asked for again at the price of the first tap", async ({ page }) => {
  let tries = 0;
  const shop = await shopOf(page, (s) => {
    s.snapshot = [priceSet(20, flash(-10, 600))];
    s.onCosts = () => comesTo(2990);
    s.onHold = (id) => {
      if (tries++ > 0) return { body: hold(id, { unit: { amount: 2990, currency: "EUR" }, total: { amount: 2990, currency: "EUR" } }) };
      s.send(priceSet(21, null));
      return { lost: true };
    };
  });
  await expect(card(page).getByText("€29.90")).toBeVisible();
  await openBuy(shop);
  await expect(page.getByRole("button", { name: "Pay €34.80" })).toBeVisible();
  expect(units(shop)).toEqual([2990, 2990]);
  expect(new Set(holdIds(shop)).size).toBe(1);
});

test("the limit that is one's own hold is no dead end", async ({ page }) => {
  const shop = await shopOf(page, (s) => {
    s.onHold = () => problem(409, "limit_reached", "As many as one may have.", { hold: "hld_mine" });
    s.answers["GET /holds/hld_mine"] = { body: hold("hld_mine") };
  });
  await held(shop);
  expect(holdIds(shop)).toHaveLength(1);
});

test.describe("what this person did elsewhere", () => {
  const elsewhere = hold("hld_elsewhere");

  test("a hold is gone on with, not doubled; it follows what the other tab does", async ({ page }) => {
    const shop = await shopOf(page, (s) => {
      s.answers["GET /me/document"] = { body: mine({ holds: [elsewhere] }) };
      s.answers["GET /holds/hld_elsewhere"] = { body: elsewhere };
    });
    await card(page).getByRole("button", { name: /^Pay \d:\d\d/ }).click();
    await expect(page.getByText("Held for you:")).toBeVisible();
    shop.answers["GET /me/document"] = { body: mine({ version: 2, orders: [order("ord_elsewhere", { hold: elsewhere.id })] }) };
    shop.send({ t: "me", v: 2 });
    await expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible();
    await expect(page.getByText("R-2026-000042")).toBeVisible();
    expect(holdIds(shop)).toEqual([]);
  });

  test("a hold that was let go elsewhere ends here; one that the document does not know yet does not", async ({ page }) => {
    const shop = await shopOf(page);
    await joined(shop);
    await held(shop);
    const id = holdIds(shop)[0]!;
    shop.answers[`GET /holds/${id}`] = { body: hold(id) };
    const before = shop.count("GET /me/document");
    shop.send({ t: "me", v: 2 });
    shop.answers["GET /me/document"] = { body: mine({ version: 2 }) };
    await expect.poll(() => shop.count(`GET /holds/${id}`)).toBe(1);
    expect(shop.count("GET /me/document")).toBe(before + 1);
    await expect(page.getByText("Held for you:")).toBeVisible();
    shop.answers[`GET /holds/${id}`] = { body: hold(id, { state: "released" }) };
    shop.answers["GET /me/document"] = { body: mine({ version: 3 }) };
    shop.send({ t: "me", v: 3 });
    await expect(page.getByRole("heading", { name: "Your hold has ended" })).toBeVisible();
  });

  test("a version that is known already, and one heard late, are not read again; coming back reads", async ({ page }) => {
    const read = page.waitForResponse(/\/me\/document$/);
    // Late, so that the news overtakes it.
    const shop = await shopOf(page, (s) => (s.answers["GET /me/document"] = { body: mine({ version: 7 }), afterMs: 1_000 }));
    await expect.poll(() => shop.count("GET /me/document")).toBe(1);
    shop.send({ t: "me", v: 7 });
    shop.send({ t: "me", v: 3 });
    shop.send(stockSet(20, 8));
    await expect(card(page).getByText("8 left")).toBeVisible();
    await (await read).finished();
    shop.send({ t: "me", v: 7 });
    shop.send(stockSet(21, 7));
    await expect(card(page).getByText("7 left")).toBeVisible();
    expect(shop.count("GET /me/document")).toBe(1);
    await shop.sockets[0]!.close({ code: 1011 });
    await expect.poll(() => shop.count("GET /me/document"), { timeout: 20_000 }).toBe(2);
  });

  test("a house without such a document sells all the same", async ({ page }) => {
    const shop = await shopOf(page, (s) => (s.answers["GET /me/document"] = problem(404, "not_found", "No such thing.")));
    await held(shop);
    expect(holdIds(shop)).toHaveLength(1);
  });
});
