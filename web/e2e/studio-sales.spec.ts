// The studio's numbers: they follow holds, payments and releases within seconds, ask the server no more than they must, and
// believe the newest answer.

import { expect, test, type Page } from "@playwright/test";
import type { Sale, Sales } from "../app/shared/api";
import { accessible, sales, Stage } from "./fixtures/desk";
import { SHOW, stockSet } from "./fixtures/kitchen";
import { problem, type Answer } from "./fixtures/pages";

const KEY = `GET /shows/${SHOW}/sales`;
const eur = (amount: number) => ({ amount, currency: "EUR" });
const count = (held: number, sold: number, amount: number): Sales => sales({ held, sold, revenue: eur(amount), revenues: [eur(amount)] });
const number = (page: Page, name: string) => page.getByLabel("Sales of this show").locator("div", { has: page.getByText(name, { exact: true }) }).getByRole("definition");

const sale = (n: number, more: Partial<Sale> = {}): Sale => ({
  id: `ord_${n.toString(16).padStart(32, "0")}`,
  state: "captured",
  name: "Ana Gomes",
  total: eur(4900),
  lines: [{ title: "Copper pan 28 cm", quantity: 1, unit: eur(4900) }],
  created_at: new Date().toISOString(),
  receipt: { number: `R-2026-${String(n).padStart(6, "0")}` },
  ...more,
});

/** A desk without a camera: the show is over, its last payments are not. */
async function desk(page: Page, first: Sales | Answer): Promise<Stage> {
  const stage = await new Stage(page).begin();
  stage.show = { ...stage.show, state: "ended", ended_at: new Date().toISOString() };
  stage.answers[KEY] = "held" in first ? { body: first } : first;
  await stage.desk();
  await expect.poll(() => stage.heard.some(({ t }) => t === "join")).toBe(true);
  return stage;
}

test("a hold and a release are seen by the room's word, a payment without one", async ({ page }) => {
  const stage = await desk(page, count(0, 0, 0));
  await expect(number(page, "Revenue")).toHaveText("€0.00");
  await expect(page.getByText("No orders yet")).toBeVisible();
  stage.answers[KEY] = { body: count(1, 0, 0) };
  stage.send(stockSet(20, 36));
  await expect(number(page, "Held")).toHaveText("1", { timeout: 2_500 });
  // A payment changes no stock: nothing is said in the room.
  stage.answers[KEY] = { body: { ...count(0, 1, 4900), orders: [sale(1)] } };
  await expect(number(page, "Revenue")).toHaveText("€49.00", { timeout: 4_000 });
  await expect(number(page, "Sold")).toHaveText("1");
  await expect(number(page, "Held")).toHaveText("0");
  await expect(page.getByRole("list", { name: "The newest orders" }).getByRole("listitem")).toContainText(/Copper pan 28 cm.*€49\.00.*Ana Gomes · Today/);
  stage.answers[KEY] = { body: count(2, 1, 4900) };
  stage.send(stockSet(21, 34));
  await expect(number(page, "Held")).toHaveText("2", { timeout: 2_500 });
  stage.answers[KEY] = { body: count(0, 1, 4900) };
  stage.send(stockSet(22, 36));
  await expect(number(page, "Held")).toHaveText("0", { timeout: 2_500 });
  await accessible(page);
  expect(stage.violations).toEqual([]);
  expect(stage.errors).toEqual([]);
});

test("a hundred units that go at once are a handful of readings, and the last of them is the truth", async ({ page }) => {
  const stage = await desk(page, count(0, 0, 0));
  await expect(number(page, "Held")).toHaveText("0");
  const before = stage.count(KEY);
  let gone = 0;
  stage.answers[KEY] = () => ({ body: count(gone, 0, 0) });
  for (gone = 0; gone < 100; ) stage.send(stockSet(20 + ++gone, 100 - gone));
  await expect(number(page, "Held")).toHaveText("100");
  expect(stage.count(KEY) - before).toBeLessThanOrEqual(4);
});

test("an answer that was overtaken by what happened meanwhile is replaced by the next", async ({ page }) => {
  const stage = await desk(page, count(0, 0, 0));
  await expect(number(page, "Held")).toHaveText("0");
  const before = stage.count(KEY);
  stage.answers[KEY] = { body: count(1, 0, 0), afterMs: 1_200 };
  stage.send(stockSet(20, 36));
  await expect.poll(() => stage.count(KEY)).toBe(before + 1);
  stage.answers[KEY] = { body: count(7, 0, 0) };
  stage.send(stockSet(21, 30));
  await expect(number(page, "Held")).toHaveText("7");
  expect(stage.count(KEY), "one reading at a time").toBe(before + 2);
});

test("several currencies stand beside each other", async ({ page }) => {
  const yen = { amount: 5200, currency: "JPY" };
  await desk(page, { ...count(0, 3, 9800), revenues: [eur(9800), yen] });
  await expect(number(page, "Revenue")).toHaveText("€98.00¥5,200");
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 800 });
    await accessible(page);
  }
});

test("nothing is asked while nobody looks or there is no line, and at once after", async ({ page, context }) => {
  await page.clock.install();
  const stage = await desk(page, count(1, 0, 0));
  await expect(number(page, "Held")).toHaveText("1");
  const look = (hidden: boolean) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await look(true);
  stage.answers[KEY] = { body: count(0, 1, 4900) };
  const before = stage.count(KEY);
  stage.send(stockSet(20, 36));
  await expect(page.getByRole("button", { name: /Copper pan 28 cm/ })).toContainText("36 left");
  await page.clock.fastForward(60_000);
  await page.clock.fastForward(60_000);
  expect(stage.count(KEY) - before, "one may have been on its way").toBeLessThanOrEqual(1);
  await look(false);
  await expect(number(page, "Revenue")).toHaveText("€49.00", { timeout: 2_000 });

  await context.setOffline(true);
  await expect(page.getByText("These numbers wait for your line to come back.")).toBeVisible();
  await accessible(page);
  stage.answers[KEY] = { body: count(0, 2, 9800) };
  await context.setOffline(false);
  await expect(number(page, "Revenue")).toHaveText("€98.00", { timeout: 2_000 });
  await expect(page.getByText("These numbers wait")).toBeHidden();
});

test("a server in trouble leaves the numbers as they were and says so; they go on by themselves", async ({ page }) => {
  const stage = await desk(page, count(1, 3, 14700));
  await expect(number(page, "Revenue")).toHaveText("€147.00");
  stage.answers[KEY] = problem(503, "unavailable", "The server is busy.");
  await expect(page.getByText("Numbers may be behind. The server is busy.")).toBeVisible();
  await expect(number(page, "Revenue")).toHaveText("€147.00");
  stage.answers[KEY] = { body: count(0, 4, 19600) };
  await expect(number(page, "Revenue")).toHaveText("€196.00");
  await expect(page.getByText("Numbers may be behind.")).toBeHidden();
});

test("a screen reader hears of the first sale at once, then now and then", async ({ page }) => {
  const stage = await desk(page, count(3, 0, 0));
  const spoken = page.getByLabel("Sales of this show").getByRole("status");
  await expect(number(page, "Held")).toHaveText("3");
  await expect(spoken).toHaveText("");
  stage.answers[KEY] = { body: count(2, 1, 4900) };
  await expect(spoken).toHaveText("1 sold. Revenue €49.00.");
  stage.answers[KEY] = { body: count(1, 2, 9800) };
  await expect(number(page, "Sold")).toHaveText("2");
  await expect(spoken, "not with each").toHaveText("1 sold. Revenue €49.00.");
});
