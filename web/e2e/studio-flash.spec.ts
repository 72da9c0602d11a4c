// Flash prices by hand and by key, brands of the show, and what the room says of it, on the desk. Judgements without a page
// are in flash-logic.spec.ts.

import { expect, test, type Page } from "@playwright/test";
import type { Product } from "../app/shared/api";
import { accessible, Stage, tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { BRASS, catalog, LARGE_KETTLE, PAN_VARIANT, SHOW, SMALL_KETTLE, stockedKettle } from "./fixtures/kitchen";
import { ORIGIN, problem } from "./fixtures/pages";

interface Asked {
  id: string;
  method: string;
  body: { variant: string; amount: number; lasts_s: number; starts_at: string | null; cap: number } | null;
}

class Desk extends Stage {
  readonly flashes: Asked[] = [];
  /** The next answers to a flash price, before the usual one. */
  readonly trouble: ("lost" | { status: number; code: string; detail: string })[] = [];
  products: Product[] = catalog().products;

  override async begin(): Promise<this> {
    await super.begin();
    this.answers[`GET /shows/${SHOW}/products`] = () => ({ body: catalog({ products: this.products }) });
    await this.page.route(`${ORIGIN}/api/v1/shows/${SHOW}/flash-prices/*`, async (route) => {
      const request = route.request();
      const id = new URL(request.url()).pathname.split("/").pop()!;
      this.flashes.push({ id, method: request.method(), body: request.postDataJSON() as Asked["body"] });
      const next = this.trouble.shift();
      if (next === "lost") return route.abort("connectionreset");
      if (next) return route.fulfill({ status: next.status, contentType: "application/problem+json", body: JSON.stringify(next) });
      if (request.method() === "DELETE") return route.fulfill({ status: 204 });
      const { variant, amount, lasts_s, starts_at, cap } = this.flashes.at(-1)!.body!;
      const start = starts_at ? Date.parse(starts_at) : Date.now();
      await route.fulfill({ json: { id, variant, amount, starts_at: new Date(start).toISOString(), ends_at: new Date(start + lasts_s * 1000).toISOString(), cap } });
    });
    return this;
  }

  get set(): [string, number, number][] {
    return this.flashes.filter(({ method }) => method === "PUT").map(({ body }) => [body!.variant, body!.amount, body!.lasts_s]);
  }

  async ready(): Promise<void> {
    await this.desk();
    await expect(this.page.getByRole("button", { name: "Pinned Copper pan 28 cm" })).toBeVisible();
  }
}

const bothStocked = (): Product => ({ ...stockedKettle(), variants: stockedKettle().variants.map((variant) => ({ ...variant, pool: "pol_1", left: 9, on_hand: 9 })) });

const row = (page: Page, title: string) => page.getByRole("listitem").filter({ has: page.getByText(title, { exact: true }) }).first();
const end = (page: Page) => page.getByRole("button", { name: "End now" });

test("1, 2, 3 set, E ends: the row shows old and new price, clock and what is left", async ({ page }) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  await page.keyboard.press("2");
  await expect(row(page, "Copper pan 28 cm")).toContainText(/€49\.00 → now €39\.20 (2:00|1:5\d)/);
  expect(desk.set).toEqual([[PAN_VARIANT, 3920, 120]]);
  await expect(page.getByRole("status").filter({ hasText: "−20 % on Copper pan 28 cm for 2 min." })).toBeAttached();
  await page.keyboard.press("e");
  await expect(end(page)).toBeHidden();
  await expect(row(page, "Copper pan 28 cm")).not.toContainText("→");
  expect(desk.flashes.at(-1)).toMatchObject({ method: "DELETE", id: desk.flashes[0]!.id });
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("3");
  await expect(row(page, "Cast-iron pan")).toContainText("€27.30");
  await page.keyboard.press("E");
  await expect(end(page)).toBeHidden();
  await page.keyboard.press("e");
  await expect(page.getByRole("alert")).toHaveText("No flash price is running.");
  expect(desk.flashes.filter(({ method }) => method === "DELETE")).toHaveLength(2);
});

test("a key that is pressed twice at once, or held down, sets one price", async ({ page }) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  await Promise.all([page.keyboard.press("1"), page.keyboard.press("1")]);
  await page.keyboard.press("1");
  await page.keyboard.down("1");
  await page.keyboard.down("1");
  await page.keyboard.up("1");
  await expect(row(page, "Copper pan 28 cm")).toContainText("€44.10");
  expect(desk.set).toEqual([[PAN_VARIANT, 4410, 60]]);
});

test("a lost answer is asked for again under the same id, by itself and by the next press", async ({ page }) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  desk.trouble.push("lost", "lost", "lost");
  await page.keyboard.press("1");
  await expect(page.getByRole("alert")).toContainText("We have not heard whether the price is set; press again.");
  await page.keyboard.press("1");
  await expect(row(page, "Copper pan 28 cm")).toContainText("€44.10");
  expect(desk.flashes).toHaveLength(4);
  expect(new Set(desk.flashes.map(({ id, body }) => id + JSON.stringify(body))).size, "one id, one body").toBe(1);
  desk.trouble.push({ status: 422, code: "flash_price_invalid", detail: "The flash price must be below the standing price." });
  await page.keyboard.press("3");
  await expect(page.getByRole("alert")).toHaveText("The price did not change. The flash price must be below the standing price.");
  await expect(row(page, "Copper pan 28 cm"), "the price before still holds").toContainText("€44.10");
});

test("keys are letters where somebody types, and nothing while a dialog is open", async ({ page }) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  await page.getByLabel("E-mail of a brand").pressSequentially("123efpn");
  await page.getByRole("button", { name: "Add a product" }).click();
  await page.getByRole("dialog").getByLabel("Name").pressSequentially("123e");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).focus();
  await page.keyboard.press("2");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.keyboard.press("Control+1");
  expect(desk.flashes).toEqual([]);
  expect(desk.count(`PUT /shows/${SHOW}/pin`)).toBe(0);
  await page.keyboard.press("f");
  await expect(page.getByRole("dialog", { name: "Flash price: Copper pan 28 cm" })).toBeVisible();
  await page.keyboard.press("Escape");
  await page.keyboard.press("1");
  await expect.poll(() => desk.flashes.length).toBe(1);
});

test("a product of a brand: all variants at once, no Edit; the form takes one variant, a cap and a later start", async ({ page }, info) => {
  const desk = await new Desk(page).begin();
  desk.products = [...catalog().products, bothStocked()];
  await desk.ready();
  await expect(row(page, "Whistling kettle")).toContainText("from Brass & Daughters");
  await expect(page.getByRole("button", { name: "Edit Whistling kettle" })).toHaveCount(0);
  await row(page, "Whistling kettle").getByRole("button", { name: "Pin Whistling kettle" }).click();
  await expect(page.getByText("all 2 variants")).toBeVisible();
  await page.getByRole("button", { name: /−20 %/ }).click();
  await expect(row(page, "Whistling kettle")).toContainText("from €55.20");
  expect(desk.set.map(([variant, amount]) => [variant, amount])).toEqual([[SMALL_KETTLE, 5520], [LARGE_KETTLE, 6760]]);
  await expect(page.getByRole("status").filter({ hasText: "on all 2 variants of Whistling kettle" })).toBeAttached();
  await page.keyboard.press("f");
  const form = page.getByRole("dialog");
  await form.getByRole("button", { name: "Set the price" }).click();
  await expect(form.getByText("An amount like 29.90.")).toBeVisible();
  await form.getByLabel("For", { exact: true }).selectOption(LARGE_KETTLE);
  await form.getByLabel("Price in EUR").fill("70");
  await form.getByLabel("For how long").selectOption("600");
  await form.getByLabel("Starts in, seconds").fill("45");
  await form.getByLabel("Units at this price").fill("3");
  await inspect(page, "studio-flash-form", info);
  desk.trouble.push({ status: 409, code: "show_ended", detail: "This show has ended." });
  await form.getByRole("button", { name: "Set the price" }).click();
  await expect(form.getByRole("alert")).toHaveText("The price did not change. This show has ended.");
  await form.getByRole("button", { name: "Set the price" }).click();
  await expect(form).toBeHidden();
  const last = desk.flashes.at(-1)!.body!;
  expect(last).toMatchObject({ variant: LARGE_KETTLE, amount: 7000, lasts_s: 600, cap: 3 });
  expect(Date.parse(last.starts_at!) - Date.now()).toBeGreaterThan(30_000);
  await page.keyboard.press("e");
  await expect.poll(() => desk.flashes.filter(({ method }) => method === "DELETE").length, "both variants' prices end").toBe(2);
});

test("what the room says of prices, counts, releases and viewers stands on the desk, whatever comes first", async ({ page }, info) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  const offer = { id: "fls_x", amount: 2990, starts_at: new Date(Date.now() - 1_000).toISOString(), ends_at: new Date(Date.now() + 134_000).toISOString(), cap: 20 };
  const price = (v: number, flash: object | null) => desk.send({ t: "price.set", k: PAN_VARIANT, v, d: { variant: PAN_VARIANT, amount: 4900, currency: "EUR", flash } });
  const stock = (v: number, left: number, flash_left: number | null) => desk.send({ t: "stock.set", k: PAN_VARIANT, v, d: { variant: PAN_VARIANT, pool: "pol_1", left, flash_left } });
  const pan = row(page, "Copper pan 28 cm");
  stock(31, 37, 12);
  price(30, offer);
  await expect(pan).toContainText(/€49\.00 → now €29\.90 2:1\d · 12 at this price/);
  stock(32, 25, 0);
  await expect(pan).toContainText("none left at this price");
  await expect(pan).toContainText("25 left");
  price(29, null);
  await expect(pan, "older news change nothing").toContainText("€29.90");
  desk.send({ t: "drop.set", k: "var_00000000000000000000000000000005", v: 33, d: { variant: "var_00000000000000000000000000000005", drop: "drp_1", opens_at: new Date(Date.now() + 90_000).toISOString() } });
  await expect(row(page, "Cast-iron pan")).toContainText(/Opens in 1:[23]\d/);
  await inspect(page, "studio-flash", info);
  price(34, null);
  await expect(pan).not.toContainText("→");
  expect(desk.violations).toEqual([]);
  expect(desk.errors).toEqual([]);
});

test("who watches is counted, and the host's lines in the chat are marked", async ({ page }, info) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  desk.send({ t: "viewers.set", d: { count: 1204 } });
  await expect(page.getByText("1,204 watching")).toBeVisible();
  const line = (id: string, name: string, role: string, text: string, subject = `gst_${id}`) => ({ t: "chat.line", d: { id, subject, name, role, text, at: Date.now() } });
  desk.sample(line("1", "ana", "viewer", "is it dishwasher safe?"), line("2", "tom", "buyer", "bought two!"));
  const chat = page.getByRole("log", { name: "Chat" });
  await expect(chat).toContainText("is it dishwasher safe?");
  await expect(chat.getByRole("listitem").filter({ hasText: "bought two!" })).toContainText("Buyer");
  desk.onCall = () => ({ d: { id: "3" } });
  await page.getByRole("region", { name: "Chat" }).getByRole("textbox").fill("By hand, please: it is tinned.");
  await page.keyboard.press("Enter");
  await expect.poll(() => desk.heard.find(({ t }) => t === "call")).toMatchObject({ call: "chat.say", d: { text: "By hand, please: it is tinned." } });
  desk.sample(line("3", "Mara", "host", "By hand, please: it is tinned.", `acc_${"8".padStart(32, "0")}`));
  await expect(chat.getByRole("listitem").filter({ hasText: "By hand" })).toContainText("Host");
  await inspect(page, "studio-chat", info);
});

test("a flash price ends on the page at its own time, without a word of the server", async ({ page }) => {
  const desk = await new Desk(page).begin();
  await desk.ready();
  desk.send({ t: "price.set", k: PAN_VARIANT, v: 40, d: { variant: PAN_VARIANT, amount: 4900, currency: "EUR", flash: { id: "fls_x", amount: 2990, starts_at: new Date().toISOString(), ends_at: new Date(Date.now() + 3_000).toISOString(), cap: 0 } } });
  await expect(row(page, "Copper pan 28 cm")).toContainText("€29.90");
  await expect(row(page, "Copper pan 28 cm")).not.toContainText("€29.90");
  await expect(end(page)).toBeHidden();
});

test("brands of the show: failing, none, invited once though the answer was lost, unknown, removed", async ({ page }, info) => {
  const desk = await new Desk(page).begin();
  const list = `GET /shows/${SHOW}/brands`;
  const brass = { id: BRASS, name: "Brass & Daughters", email: "hello@brass.example" };
  desk.answers[list] = problem(500, "internal", "The server had a problem.");
  await desk.ready();
  const card = page.getByRole("region", { name: "Brands of this show" });
  await expect(card.getByRole("alert")).toContainText("The server had a problem.");
  desk.answers[list] = { body: { brands: [] } };
  await card.getByRole("button", { name: "Try again" }).click();
  await card.getByRole("button", { name: "Invite" }).click();
  await expect(card.getByText("An e-mail address, like")).toBeVisible();
  desk.answers[`PUT /shows/${SHOW}/brands`] = problem(404, "brand_unknown", "No such brand.");
  await card.getByLabel("E-mail of a brand").fill("nobody@brass.example");
  await page.keyboard.press("Enter");
  await expect(card.getByText("Ask them to make a brand account first.")).toBeVisible();
  let asked = 0;
  desk.answers[`PUT /shows/${SHOW}/brands`] = () => (++asked === 1 ? { lost: true } : { body: { brands: [brass] } });
  await card.getByLabel("E-mail of a brand").fill("hello@brass.example");
  await card.getByRole("button", { name: "Invite" }).click();
  await expect(card.getByRole("listitem")).toContainText("Brass & Daughters");
  await expect(card.getByText("hello@brass.example can supply this show now.")).toBeVisible();
  await card.scrollIntoViewIfNeeded();
  await inspect(page, "studio-brands", info);
  desk.answers[`DELETE /shows/${SHOW}/brands/${BRASS}`] = { status: 204 };
  await card.getByRole("button", { name: "Remove Brass" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Keep them" }).click();
  expect(desk.count(`DELETE /shows/${SHOW}/brands/${BRASS}`)).toBe(0);
  await card.getByRole("button", { name: "Remove Brass" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(card.getByRole("listitem")).toHaveCount(0);
});

for (const width of [320, 375, 1280])
  test(`the desk with a flash price is whole at ${width} px`, async ({ page }) => {
    await page.setViewportSize({ width, height: 800 });
    const desk = await new Desk(page).begin();
    desk.products = [bothStocked(), ...catalog().products];
    await desk.ready();
    await row(page, "Whistling kettle").getByRole("button", { name: /^1 ?Whistling|Whistling kettle €/ }).first().click();
    await page.getByRole("button", { name: /−30 %/ }).click();
    await expect(end(page)).toBeVisible();
    await accessible(page);
    expect(await tooSmall(page), "touch targets").toEqual([]);
  });

test("the chosen product is taken off after a question, once, and is said to be still there when that fails", async ({ page }, info) => {
  const desk = await new Desk(page).begin();
  const asked: string[] = [];
  const answers = [409, 0, 204]; // a refusal; then a lost answer that is asked for again
  await page.route(`${ORIGIN}/api/v1/shows/${SHOW}/products/*`, (route) => {
    asked.push(route.request().method());
    const status = answers.shift() ?? 204;
    if (status === 0) return route.abort("connectionreset");
    if (status === 204) desk.products = desk.products.filter(({ id }) => !route.request().url().endsWith(id));
    return route.fulfill(status === 204 ? { status } : { status, contentType: "application/problem+json", body: JSON.stringify({ status, code: "busy", detail: "Try again." }) });
  });
  await desk.ready();
  const button = page.getByRole("button", { name: "Take Copper pan 28 cm off this show" });
  const dialog = page.getByRole("dialog", { name: "Take Copper pan 28 cm off?" });
  await button.click();
  await dialog.getByRole("button", { name: "Keep it" }).click();
  await expect(dialog).toBeHidden();
  expect(asked).toEqual([]);
  await button.click();
  await inspect(page, "take-off", info);
  await dialog.getByRole("button", { name: "Take it off" }).click();
  await expect(page.getByText("Copper pan 28 cm is still on sale. Try again.")).toBeVisible();
  await button.click();
  await dialog.getByRole("button", { name: "Take it off" }).click();
  await expect(row(page, "Copper pan 28 cm")).toHaveCount(0);
  expect(asked).toEqual(["DELETE", "DELETE", "DELETE"]);
});
