// The public stock ledger in every state that somebody can meet it in. That its file is right is tested with the real program
// (cmd/rialto).

import { expect, test, type Page } from "@playwright/test";
import type { Ledger, LedgerRow } from "../app/shared/api";
import { tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { guest, PAN_VARIANT, SHOW } from "./fixtures/kitchen";
import { problem, Shop, type Answer } from "./fixtures/pages";
import { usual } from "./fixtures/states";

const hex = (n: number): string => n.toString(16).padStart(64, "0");
const WOK = `var_${"5".repeat(32)}`;
const PAGE = `/s/${SHOW}/ledger`;
const LIST = `GET /shows/${SHOW}/ledgers`;
const PAN = `${LIST}/${PAN_VARIANT}`;

const ledger = (n: number, more: Partial<Ledger> = {}): Ledger => ({
  pool: `pol_${"2".repeat(32)}`,
  variant: PAN_VARIANT,
  product: "Copper pan 28 cm",
  title: "",
  n,
  hash: hex(n),
  allocated: 100,
  available: 37,
  held: 2,
  paying: 1,
  sold: 61,
  ...more,
});
const wok = (): Ledger => ledger(4, { variant: WOK, product: "Carbon-steel wok", title: "24 cm", allocated: 1000, available: 1000, held: 0, paying: 0, sold: 0 });

const STEPS = [
  ["supply", "supply", "available", 100, 0],
  ["hold", "available", "held", 3, 2],
  ["hold", "available", "held", 1, 1],
  ["pay", "held", "paying", 1, 1],
  ["sell", "paying", "sold", 1, 1],
  ["decline", "paying", "held", 1, 1],
  ["release", "held", "available", 1, 1],
  ["expire", "held", "available", 2, 1],
  ["withdraw", "available", "supply", 5, 0],
  ["edit", "held", "sold", 1, 1],
  ["opening", "available", "sold", 12, 9],
] as const;

const row = (n: number): LedgerRow => {
  const [kind, origin, target, units, holds] = STEPS[(n - 1) % STEPS.length]!;
  return { n, at: new Date(Date.UTC(2026, 0, 2, 18, 0, n)).toISOString().replace("Z", "000Z"), kind, origin, target, units, holds, commitment: hex(0), hash: hex(n) };
};
/** The rows from one down to another. */
const rows = (from: number, to: number): LedgerRow[] => Array.from({ length: from - to + 1 }, (_, i) => row(from - i));
const page_ = (from: number, to: number): Answer => ({ body: { ledger: ledger(from), rows: rows(from, to), next: to > 1 ? `c${to}` : null } });

async function shopOf(page: Page, list: Answer = { body: { ledgers: [ledger(11)] } }): Promise<Shop> {
  const shop = new Shop(page);
  await shop.start();
  shop.answers["GET /me"] = { body: guest() };
  shop.answers[LIST] = list;
  shop.answers[PAN] = page_(11, 1);
  return shop;
}

const steps = (page: Page) => page.getByRole("region", { name: "Every step" }).getByRole("listitem");
const numbers = async (page: Page): Promise<number[]> => (await steps(page).locator(".ledger-n").allInnerTexts()).map((text) => Number(text.replace("Step", "")));

test.afterEach(async ({ page }) => {
  expect(await tooSmall(page), "touch targets").toEqual([]);
});

test("the sum, each step in plain words, the hash and the file", async ({ page }, info) => {
  const shop = await shopOf(page);
  await shop.open(PAGE);
  await expect(page.getByRole("region", { name: "Copper pan 28 cm" })).toContainText(/100 allocated = 37 available \+ 2 held \+ 61 sold/);
  await expect(page.getByText("Of those held, 1 unit is being paid right now.")).toBeVisible();
  await expect(steps(page)).toHaveText([
    /^Step 11There when the ledger began: sold12 units/,
    /^Step 10Corrected by hand: held, now sold1 unit/,
    /^Step 9Taken back by the seller5 units/,
    /^Step 8Time to pay ran out2 units/,
    /^Step 7Given back1 unit/,
    /^Step 6Payment declined, still held1 unit/,
    /^Step 5Sold1 unit/,
    /^Step 4Payment began1 unit/,
    /^Step 3Held for a buyer1 unit/,
    /^Step 2Held for buyers3 units/,
    /^Step 1Set aside for the show100 units/,
  ]);
  await expect(page.getByText(hex(11), { exact: true })).toBeVisible();
  const save = page.getByRole("link", { name: "Save the ledger" });
  await expect(save).toHaveAttribute("href", `/api/v1/shows/${SHOW}/ledgers/${PAN_VARIANT}/file`);
  await expect(save).toHaveAttribute("download", /.*/);
  await expect(page.getByText("rialto verify --chain FILE")).toBeVisible();
  await expect(page.getByRole("combobox"), "one product needs no choice").toHaveCount(0);
  await expect(page).toHaveTitle("Public stock ledger · Rialto");
  await inspect(page, "ledger", info);
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);
});

test("older steps come page by page, new ones by themselves, and none twice or left out", async ({ page }) => {
  await page.clock.install();
  const shop = await shopOf(page);
  let newest = page_(30, 21);
  let older = (): Answer => problem(503, "unavailable", "Later.");
  shop.answers[PAN] = (route) => {
    const from = new URL(route.request().url()).searchParams.get("cursor");
    return from === null ? newest : from === "c21" ? older() : from === "c11" ? page_(10, 1) : problem(422, "cursor_invalid", "No.");
  };
  await shop.open(PAGE);
  await page.getByRole("button", { name: "Show older steps" }).click();
  await expect(page.getByText("The older steps did not load.")).toBeVisible();
  older = () => ({ body: { ledger: ledger(30), rows: rows(20, 11), next: "c11" } });
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(steps(page)).toHaveCount(20);
  newest = page_(33, 24);
  await page.clock.fastForward(11_000);
  await expect.poll(() => numbers(page)).toEqual(rows(33, 11).map(({ n }) => n));
  await page.getByRole("button", { name: "Show older steps" }).click();
  await expect(steps(page)).toHaveCount(33);
  await expect(page.getByRole("button", { name: "Show older steps" })).toHaveCount(0);
  // More than a page at once: what lies between is not known, so it begins anew.
  newest = page_(60, 51);
  await page.clock.fastForward(11_000);
  await expect.poll(() => numbers(page)).toEqual(rows(60, 51).map(({ n }) => n));
  await expect(page.getByText(hex(60), { exact: true })).toBeVisible();
});

test("loading, failing, then there; a show without units; a show that is none", async ({ page }, info) => {
  const shop = await shopOf(page, { afterMs: 30_000 });
  await shop.open(PAGE);
  await expect(page.getByRole("status").filter({ hasText: "Loading the ledger" })).toBeAttached();
  await inspect(page, "ledger-loading", info);
  shop.answers[LIST] = problem(500, "internal", "The server had a problem.");
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("The server had a problem.");
  await inspect(page, "ledger-failed", info);
  shop.answers[LIST] = { body: { ledgers: [ledger(0)] } };
  shop.answers[PAN] = problem(503, "unavailable", "We cannot reach our records for a moment.");
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("alert")).toContainText("We cannot reach our records for a moment.");
  shop.answers[PAN] = { body: { ledger: ledger(0, { allocated: 0, available: 0, held: 0, paying: 0, sold: 0 }), rows: [], next: null } };
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByText("No unit has moved yet.")).toBeVisible();
  await expect(page.getByText("There is none yet")).toBeVisible();
  await inspect(page, "ledger-new", info);
  shop.answers[LIST] = { body: { ledgers: [] } };
  await page.reload();
  await expect(page.getByRole("heading", { name: "Nothing is sold here yet" })).toBeVisible();
  await inspect(page, "ledger-empty", info);
  shop.answers[LIST] = problem(404, "show_unknown", "There is no such show.");
  await page.reload();
  await expect(page.getByRole("heading", { name: "There is no show here" })).toBeVisible();
  expect(shop.violations).toEqual([]);
});

test("offline is said and what was known stays; back on the line it is read again", async ({ page, context }, info) => {
  await page.clock.install();
  const shop = await shopOf(page);
  await shop.open(PAGE);
  await expect(steps(page)).toHaveCount(11);
  await context.setOffline(true);
  shop.answers[PAN] = { lost: true };
  await page.clock.fastForward(11_000);
  await expect(page.getByText("You are offline. This is what we knew last.")).toBeVisible();
  await expect(steps(page)).toHaveCount(11);
  await inspect(page, "ledger-offline", info);
  shop.answers[PAN] = page_(12, 2);
  await context.setOffline(false);
  await expect(page.getByText("You are offline.")).toHaveCount(0);
  await expect(steps(page)).toHaveCount(12);
});

test("several products: one is chosen, by the keyboard too, and the address keeps the choice", async ({ page }, info) => {
  const shop = await shopOf(page, { body: { ledgers: [wok(), ledger(11)] } });
  shop.answers[`${LIST}/${WOK}`] = { body: { ledger: wok(), rows: rows(4, 1), next: null } };
  await shop.open(`${PAGE}?variant=${PAN_VARIANT}`);
  const choice = page.getByLabel("Product");
  await expect(choice).toHaveValue(PAN_VARIANT);
  await expect(steps(page)).toHaveCount(11);
  await inspect(page, "ledger-choice", info);
  await choice.focus();
  await page.keyboard.press("ArrowUp");
  await expect(page.getByRole("region", { name: "Carbon-steel wok, 24 cm" })).toContainText("1,000 allocated = 1,000 available + 0 held + 0 sold");
  await expect(steps(page)).toHaveCount(4);
  await expect(choice).toBeFocused();
  await expect(page).toHaveURL(new RegExp(`variant=${WOK}$`));
  await page.reload();
  await expect(page.getByLabel("Product")).toHaveValue(WOK);
});

test("the show leads to its ledger in a window of its own, and the ledger back", async ({ page }) => {
  const shop = new Shop(page);
  usual(shop);
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  shop.answers[LIST] = { body: { ledgers: [ledger(11)] } };
  shop.answers[PAN] = page_(11, 1);
  await shop.start();
  await shop.open(`/s/${SHOW}`);
  const link = page.getByRole("link", { name: "Public stock ledger" });
  await expect(link).toHaveAttribute("target", "_blank");
  await expect(link).toHaveAttribute("href", PAGE);
  await shop.open(PAGE);
  await page.getByRole("link", { name: "Back to the show" }).click();
  await expect(page).toHaveURL(new RegExp(`/s/${SHOW}$`));
  await expect(page.getByRole("heading", { name: "Mara's kitchen" })).toBeAttached();
});
