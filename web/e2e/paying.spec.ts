// Between Pay and the receipt: every cost before it is confirmed, addresses that are asked for once, the bank's page, and
// lines that break in the middle.

import { expect, test, type Page } from "@playwright/test";
import { address, askedOrder, costs, declinedOrder, document, hold, mara, order, SHOW } from "./fixtures/kitchen";
import { ORIGIN, problem, Shop } from "./fixtures/pages";
import { fillCard, fillDetails, held, openBuy, payButton, usual } from "./fixtures/states";

declare global {
  interface Window {
    opened: string[];
    closed_: number;
  }
}

async function shopOf(page: Page, before: (shop: Shop) => void = () => undefined): Promise<Shop> {
  const shop = new Shop(page);
  usual(shop);
  // No picture needed here, and a browser without video is a quicker one.
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  before(shop);
  await page.addInitScript(() => {
    window.opened = [];
    window.open = (url) => {
      window.opened.push(String(url));
      return window;
    };
    window.closed_ = 0;
    window.close = () => void window.closed_++;
  });
  await shop.start();
  await shop.open(`/s/${SHOW}`);
  return shop;
}

const eur = (amount: number) => ({ amount, currency: "EUR" });
const sent = (shop: Shop) => shop.calls.filter(({ key }) => key.startsWith("PUT /orders/")).map(({ body }) => body as Record<string, unknown>);
const yours = (page: Page) => expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible();

test("every cost stands there before it is paid, and what was shown is what is sent", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  const bill = page.getByRole("region", { name: "What it costs" });
  await expect(bill).toContainText(/Goods\s*€49\.00\s*Delivery to Italy\s*€4\.90\s*Total\s*€53\.90\s*incl\. VAT 22 %\s*€9\.72/);
  await expect(payButton(shop)).toHaveText("Pay €53.90");
  await fillCard(shop);
  await page.getByLabel("Country").selectOption("US");
  await expect(bill).toContainText("Delivery and tax are known as soon as the region is.");
  await expect(page.getByRole("button", { name: "See the total" })).toBeVisible();
  await page.getByLabel("ZIP code").fill("94110");
  await page.getByLabel("State").selectOption("CA");
  await expect(bill).toContainText(/Delivery to United States\s*€19\.90\s*Sales tax 7\.25 %\s*€4\.99\s*Total\s*€73\.89/);
  await payButton(shop).click();
  await yours(page);
  expect(sent(shop)).toEqual([
    expect.objectContaining({ total: 7389, email: "ana@example.com", name: "Ana Gomes", delivery: address({ country: "US", region: "CA", postcode: "94110" }) }),
  ]);
  expect(shop.violations).toEqual([]);
});

test("costs that are not known are never paid: Pay asks for them, and so does a line that comes back", async ({ page, context }) => {
  let up = false;
  const shop = await shopOf(page, (s) => (s.onCosts = () => (up ? { body: costs() } : problem(503, "unavailable", "Later.", {}, { "Retry-After": "0" }))));
  await held(shop);
  // A line that comes back asks what became of the hold, too.
  const id = shop.calls.find(({ key }) => key.startsWith("PUT /holds/"))!.key.split("/")[2]!;
  shop.answers[`GET /holds/${id}`] = { body: hold(id) };
  await fillDetails(shop);
  await expect(page.getByText("Delivery and tax could not be worked out.")).toBeVisible();
  await page.getByText("test cards").click();
  await page.getByRole("button", { name: /4242 pays/ }).click();
  const asked = shop.calls.length;
  await page.getByRole("button", { name: "See the total" }).click();
  await expect.poll(() => shop.calls.slice(asked).some(({ key }) => key.endsWith("/costs"))).toBe(true);
  await expect(page.getByText("Delivery and tax could not be worked out.")).toBeVisible();
  expect(sent(shop)).toEqual([]);
  up = true;
  await context.setOffline(true);
  await context.setOffline(false);
  await expect(payButton(shop)).toHaveText("Pay €53.90");
});

test("a total that changed meanwhile is shown, and paid only after another tap", async ({ page }) => {
  const dearer = costs({ delivery: eur(690), total: eur(5590) });
  const shop = await shopOf(page);
  shop.onOrder = () => problem(409, "total_changed", "Changed.", { costs: dearer });
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await expect(page.getByText("The total is now €55.90, not €53.90. Nothing was taken")).toBeVisible();
  await expect(payButton(shop)).toHaveText("Pay €55.90");
  shop.onOrder = (id) => ({ body: order(id, { costs: dearer, total: eur(5590) }) });
  await payButton(shop).click();
  await yours(page);
  expect(sent(shop).map(({ total }) => total)).toEqual([5390, 5590]);
});

test("what is wrong with an address stands at its field, with the focus on the first", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  await expect(payButton(shop)).toHaveText(/\d/);
  await payButton(shop).click();
  await expect(page.getByLabel("E-mail")).toBeFocused();
  await expect(page.getByLabel("Street and number")).toHaveAccessibleDescription("Street and number, as on a letter");
  expect(sent(shop)).toEqual([]);
  await fillCard(shop);
  await expect(page.getByText("as on a letter")).toHaveCount(0);
  shop.onOrder = () => problem(422, "address_invalid", "Wrong.", { fields: { postcode: "A postcode there looks like 12345.", city: "Write the city." } });
  await payButton(shop).click();
  await expect(page.getByLabel("Postcode")).toBeFocused();
  await expect(page.getByLabel("Postcode")).toHaveAccessibleDescription("A postcode there looks like 12345.");
  await page.keyboard.type("20122");
  await expect(page.getByText("looks like 12345")).toHaveCount(0);
  await expect(page.getByText("Write the city.")).toBeVisible();
  shop.onOrder = () => problem(422, "delivery_unavailable", "No.");
  await page.getByLabel("City").fill("Roma");
  await payButton(shop).click();
  await expect(page.getByLabel("Country")).toHaveAccessibleDescription("We do not deliver to Italy yet");
  await expect(page.getByText("Held for you:"), "and it is still held").toBeVisible();
});

test("a guest types an address once: the next product asks for the card alone, and another person for everything", async ({ page }) => {
  const shop = await shopOf(page);
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await yours(page);
  for (const way of ["at once", "after a reload"]) {
    if (way !== "at once") await page.reload();
    else await page.getByRole("button", { name: "Back to the show" }).click();
    await held(shop);
    await expect(page.getByText("Ana Gomes, Via Roma 1, 20121 Milano, Italy"), way).toBeVisible();
    await expect(page.getByLabel("E-mail"), way).toHaveValue("ana@example.com");
    await expect(page.getByLabel("Card number"), way).toHaveValue("");
  }
  expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage, ...localStorage })), "never the card").not.toMatch(/4242|12 ?\/ ?34/);
  await page.getByRole("button", { name: "Change the address" }).click();
  await expect(page.getByLabel("Full name")).toBeFocused();
  const me = shop.answers["GET /me"] as { body: object };
  shop.answers["GET /me"] = { body: { ...me.body, subject: `gst_${"f".repeat(32)}` } };
  await page.reload();
  await held(shop);
  await expect(page.getByLabel("Full name")).toHaveValue("");
  await expect(page.getByLabel("E-mail")).toHaveValue("");
});

test("an account's address is there already; changed, it is kept only if that is ticked", async ({ page }) => {
  const shop = await shopOf(page, (s) => {
    s.answers["GET /me"] = { body: mara() };
    s.answers["GET /me/address"] = { body: { address: address({ name: "Mara Bianchi" }) } };
  });
  await held(shop);
  await expect(page.getByText("Mara Bianchi, Via Roma 1, 20121 Milano, Italy")).toBeVisible();
  await page.getByRole("button", { name: "Change the address" }).click();
  await page.getByLabel("City").fill("Torino");
  await page.getByLabel("Save this address in my account").check();
  await page.getByText("test cards").click();
  await page.getByRole("button", { name: /4242 pays/ }).click();
  await payButton(shop).click();
  await yours(page);
  expect(sent(shop)).toEqual([expect.objectContaining({ save: true, delivery: address({ name: "Mara Bianchi", city: "Torino" }) })]);
});

test.describe("at the bank", () => {
  /** Pays with a card whose bank asks; what an order's address answers then can be changed. */
  async function atTheBank(shop: Shop): Promise<string> {
    let id = "";
    shop.onOrder = (made) => {
      id = made;
      shop.answers[`GET /orders/${made}`] ??= { body: askedOrder(made) };
      return { body: askedOrder(made) };
    };
    await held(shop);
    await fillCard(shop);
    await payButton(shop).click();
    await expect(shop.page.getByRole("heading", { name: "Confirm with your bank" })).toBeVisible();
    return id;
  }
  const answer = (shop: Shop, id: string, of: ReturnType<typeof order>): void => {
    shop.answers[`GET /orders/${id}`] = { body: of };
  };
  const opened = (page: Page): Promise<string[]> => page.evaluate(() => window.opened);

  test("its page opens in the tap, and again by the button; a yes is a receipt", async ({ page }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    await expect.poll(() => opened(page)).toEqual([`${ORIGIN}/sandbox/challenge/${id}`]);
    await expect(page.getByText("Your bank’s page is open in another window.")).toBeVisible();
    await expect(page.getByText("goes back to the others after 10 minutes")).toBeVisible();
    await page.getByRole("button", { name: "Open your bank’s page again" }).click();
    expect(await opened(page)).toHaveLength(2);
    answer(shop, id, order(id));
    await yours(page);
    expect(sent(shop)).toHaveLength(1);
  });

  test("the room's word is enough: nobody waits for the next question", async ({ page }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    shop.answers[`GET /orders/${id}`] = { afterMs: 60_000 };
    shop.answers["GET /me/document"] = { body: document({ version: 2, orders: [order(id, { hold: String(sent(shop)[0]!.hold) })] }) };
    shop.send({ t: "me", v: 2 });
    await yours(page);
  });

  test("a no keeps the hold for as long as it lasts, and another card pays it", async ({ page }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    const held = String(sent(shop)[0]!.hold);
    shop.answers[`GET /holds/${held}`] = { body: hold(held, { expires_at: new Date(Date.now() + 190_000).toISOString() }) };
    answer(shop, id, declinedOrder(id, "authentication_failed", { hold: held }));
    await expect(page.getByText(/Your bank said no\..* Copper pan 28 cm is still held for 3:(0\d|10)/)).toBeVisible();
    await expect(page.getByText("Ana Gomes, Via Roma 1"), "the address need not be typed again").toBeVisible();
    shop.onOrder = (next) => ({ body: order(next) });
    await page.getByText("test cards").click();
    await page.getByRole("button", { name: /4242 pays/ }).click();
    await payButton(shop).click();
    await yours(page);
    expect(new Set(sent(shop).map(({ hold }) => hold)).size).toBe(1);
  });

  test("nothing done in time: nothing taken, and it is said", async ({ page }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    const held = String(sent(shop)[0]!.hold);
    shop.answers[`GET /holds/${held}`] = { body: hold(held, { state: "released" }) };
    answer(shop, id, declinedOrder(id, "", { hold: held, payment: { state: "ended", action_url: null, decline: null } }));
    await expect(page.getByText("Your bank was not answered in time. Nothing was taken")).toBeVisible();
    await expect(page.getByRole("button", { name: "Hold one again" })).toBeVisible();
  });

  test("a reload in the middle finds it again, and so does a second tab; nothing is paid twice", async ({ page, context }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    const held = String(sent(shop)[0]!.hold);
    const paying = hold(held, { state: "paying" });
    shop.answers[`GET /holds/${held}`] = { body: paying };
    shop.answers["GET /me/document"] = { body: document({ version: 2, holds: [paying], orders: [askedOrder(id, { hold: held })] }) };
    await page.reload();
    await page.getByRole("button", { name: "Go on paying" }).click();
    await expect(page.getByRole("heading", { name: "Confirm with your bank" })).toBeVisible();
    await page.getByRole("button", { name: "Open your bank’s page" }).click();
    expect(await opened(page)).toEqual([`${ORIGIN}/sandbox/challenge/${id}`]);

    const second = await context.newPage();
    const there = await shopOf(second, (s) => Object.assign(s.answers, shop.answers));
    await second.getByRole("button", { name: "Go on paying" }).click();
    await expect(second.getByRole("heading", { name: "Confirm with your bank" })).toBeVisible();
    answer(shop, id, order(id, { hold: held }));
    answer(there, id, order(id, { hold: held }));
    await Promise.all([yours(page), yours(second)]);
    expect(sent(shop)).toHaveLength(1);
    expect(sent(there)).toHaveLength(0);
  });

  test("closed meanwhile, the card leads back to it; paid meanwhile, the page says so", async ({ page }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("button", { name: "Go on paying" })).toBeFocused();
    await expect.poll(() => shop.count("GET /me/document")).toBeGreaterThan(0);
    shop.answers["GET /me/document"] = { body: document({ version: 2, orders: [order(id, { hold: String(sent(shop)[0]!.hold) })] }) };
    shop.send({ t: "me", v: 2 });
    await expect(page.getByText("Paid: Copper pan 28 cm is yours.")).toBeVisible();
  });

  test("a line that breaks is said, and asked again as soon as it is back", async ({ page, context }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    shop.answers[`GET /orders/${id}`] = { lost: true };
    await context.setOffline(true);
    await expect(page.getByText("You are offline. Your bank keeps waiting")).toBeVisible();
    answer(shop, id, order(id));
    await context.setOffline(false);
    await yours(page);
  });

  test("what is no page is never opened as one", async ({ page }) => {
    const shop = await shopOf(page);
    shop.onOrder = (id) => ({ body: askedOrder(id, { payment: { state: "requires_action", action_url: "javascript:alert(1)", decline: null } }) });
    await held(shop);
    await fillCard(shop);
    await payButton(shop).click();
    await expect(page.getByText(/We have not heard yet/)).toBeVisible();
    expect(await opened(page)).toEqual([]);
  });

  test("the window that comes back from the bank closes itself once; anybody else's order page stays, and follows what happens", async ({ page }) => {
    const shop = await shopOf(page);
    const id = await atTheBank(shop);
    await shop.open(`/orders/${id}?payment_intent=pi_1&payment_intent_client_secret=pi_1_secret&link=signed&redirect_status=succeeded`);
    await expect(page.getByRole("link", { name: "Open your bank’s page" })).toHaveAttribute("href", `${ORIGIN}/sandbox/challenge/${id}`);
    await expect(page, "what the payment company added is not kept").toHaveURL(`${ORIGIN}/orders/${id}?link=signed`);
    expect(await page.evaluate(() => window.closed_)).toBe(0);
    answer(shop, id, order(id));
    await expect(page.getByText("Paid, and yours. The seller is told."), "without a reload").toBeVisible();
    expect(await page.evaluate(() => window.closed_)).toBe(1);
    await page.reload();
    await expect(page.getByText("Paid, and yours. The seller is told.")).toBeVisible();
    expect(await page.evaluate(() => window.closed_)).toBe(0);
    await page.getByRole("link", { name: "Back to the show" }).click();
    await expect(page).toHaveURL(`${ORIGIN}/s/${SHOW}`);
  });
});

test("a line that is away when Buy is tapped: said, and gone on with by itself", async ({ page, context }) => {
  const shop = await shopOf(page);
  shop.onHold = () => ({ lost: true });
  await context.setOffline(true);
  await openBuy(shop);
  await expect(page.getByRole("heading", { name: "You are offline" })).toBeVisible({ timeout: 30_000 });
  shop.onHold = (id) => ({ body: hold(id) });
  await context.setOffline(false);
  await expect(page.getByText("Held for you:")).toBeVisible();
  expect(new Set(shop.calls.flatMap(({ key }) => (key.startsWith("PUT /holds/") ? [key] : []))).size).toBe(1);
});

test("with text twice as large, on a small phone and on one that lies on its side, nothing is cut off and Pay stays in sight", async ({ page }) => {
  const shop = await shopOf(page);
  shop.onOrder = () => problem(402, "card_declined", "Declined.", { reason: "insufficient_funds", expires_at: new Date(Date.now() + 190_000).toISOString() });
  await held(shop);
  await fillCard(shop);
  await payButton(shop).click();
  await expect(page.getByText("There is not enough money on this card.")).toBeVisible();
  for (const [width, height, text] of [[390, 844, "200%"], [320, 640, "100%"], [812, 375, "100%"], [1280, 800, "200%"]] as const) {
    await page.setViewportSize({ width, height });
    await page.locator("html").evaluate((root, size) => root.style.setProperty("font-size", size), text);
    const beyond = (): Promise<number> => page.locator(".sheet-content").evaluate((content) => content.scrollWidth - content.clientWidth);
    await expect.poll(beyond, { message: `nothing beside the sheet at ${width} x ${height}, ${text}` }).toBe(0);
    await expect(payButton(shop)).toBeInViewport({ ratio: 1 });
  }
});

test("an account keeps, changes and deletes its address", async ({ page }) => {
  let kept: object | null = null;
  const shop = await shopOf(page, (s) => {
    s.answers["GET /me"] = { body: mara() };
    s.answers["GET /me/address"] = () => ({ body: { address: kept } });
    s.answers["PUT /me/address"] = (route) => ({ body: { address: (kept = route.request().postDataJSON() as object) } });
    s.answers["DELETE /me/address"] = () => ((kept = null), { status: 204 });
  });
  await shop.open("/account");
  await page.getByRole("button", { name: "Add an address" }).click();
  await expect(page.getByLabel("Full name")).toBeFocused();
  await expect(page.getByLabel("Full name")).toHaveValue("Mara");
  await page.getByRole("button", { name: "Save the address" }).click();
  await expect(page.getByLabel("Street and number")).toBeFocused();
  await page.getByLabel("Street and number").fill(" Via  Roma 1 ");
  await page.getByLabel("Postcode").fill("20121");
  await page.getByLabel("City").fill("Milano");
  await page.getByRole("button", { name: "Save the address" }).click();
  const panel = page.getByRole("region", { name: "Delivery address" });
  await expect(panel.getByText("20121 Milano")).toBeVisible();
  expect(kept).toEqual(address({ name: "Mara" }));
  await panel.getByRole("button", { name: "Delete it" }).click();
  await expect(panel.getByText("Your address is deleted.")).toBeVisible();
  await page.reload();
  await expect(panel.getByText("None is saved.")).toBeVisible();
});
