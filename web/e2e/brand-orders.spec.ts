// What a brand has sold, in every state a brand can meet: read, looked at again, copied, printed, saved. A purchase in the
// real program is in brand.spec.ts.

import { readFileSync } from "node:fs";
import { expect, test, type Page } from "@playwright/test";
import type { SoldOrder } from "../app/shared/api";
import { csv } from "../app/brand/csv";
import { tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { brass, SHOW } from "./fixtures/kitchen";
import { problem, Shop } from "./fixtures/pages";

const KEY = "GET /orders/sold";

const sold = (n: number, more: Partial<SoldOrder> = {}): SoldOrder => ({
  id: `ord_${n.toString(16).padStart(32, "0")}`,
  state: "captured",
  receipt: { number: `R-2026-${String(n).padStart(6, "0")}` },
  created_at: new Date(Date.now() - (100 - n) * 60_000).toISOString(),
  show: { id: SHOW, title: "Mara's kitchen" },
  lines: [{ title: "Whistling kettle, 1.5 litres", quantity: 1, unit: { amount: 6900, currency: "EUR" } }],
  delivery: { name: "Ana Gomes", line1: "Rua das Flores 12", line2: "3.º Esq.", city: "Porto", region: "", postcode: "4050-262", country: "PT" },
  email: "ana@example.com",
  ...more,
});

const american = { name: "Jo Park", line1: "1 Market St", line2: "", city: "San Francisco", region: "CA", postcode: "94105", country: "US" };
const MANY = [
  sold(3, { lines: [{ title: "Whistling kettle, 1.5 litres", quantity: 2, unit: { amount: 6900, currency: "EUR" } }, { title: "Milk pot", quantity: 1, unit: { amount: 2950, currency: "EUR" } }], delivery: american, email: "jo@example.com" }),
  sold(2, { state: "refunded" }),
  sold(1, { delivery: null }),
];

async function orders(page: Page, first: SoldOrder[] | "later" = MANY): Promise<Shop> {
  const shop = new Shop(page);
  await shop.start();
  shop.answers["GET /me"] = { body: brass() };
  if (first !== "later") shop.answers[KEY] = { body: { orders: first, next: null } };
  return shop;
}

const item = (page: Page, n: number) => page.getByRole("listitem", { name: `Order R-2026-${String(n).padStart(6, "0")}` });

test.afterEach(async ({ page }) => {
  expect(await tooSmall(page), "touch targets").toEqual([]);
});

test("loading, then nothing yet, then the first order comes by itself and is told", async ({ page }, info) => {
  await page.clock.install();
  const shop = await orders(page, "later");
  shop.answers[KEY] = { afterMs: 30_000 };
  await shop.open("/brand/orders");
  await expect(page.getByText("Loading").first()).toBeAttached();
  await inspect(page, "brand-orders-loading", info);
  shop.answers[KEY] = { body: { orders: [], next: null } };
  await page.reload();
  await expect(page.getByRole("heading", { name: "Nothing sold yet" })).toBeVisible();
  await inspect(page, "brand-orders-empty", info);
  shop.answers[KEY] = { body: { orders: [sold(1)], next: null } };
  await page.clock.fastForward(10_000);
  await expect(item(page, 1)).toContainText("New");
  await expect(page.getByRole("status").filter({ hasText: "A new order: R-2026-000001." })).toBeAttached();
});

test("what to send where, in plain words", async ({ page }, info) => {
  const shop = await orders(page);
  await shop.open("/brand");
  await page.getByRole("link", { name: "Orders" }).click();
  await expect(page).toHaveURL(/\/brand\/orders$/);
  const first = item(page, 3);
  await expect(first).toContainText("Mara's kitchen");
  await expect(first).toContainText("Paid: to be sent");
  await expect(first).toContainText("2 × Whistling kettle, 1.5 litres€69.00 each");
  await expect(first.locator("address > span")).toHaveText(["Jo Park", "1 Market St", "San Francisco, CA 94105", "United States"]);
  await expect(first.getByRole("link", { name: "jo@example.com" })).toHaveAttribute("href", "mailto:jo@example.com");
  await expect(item(page, 2)).toContainText("Refunded: do not send");
  await expect(item(page, 1)).toContainText("No address was asked for");
  await expect(page.getByRole("link", { name: "Orders" })).toHaveAttribute("aria-current", "page");
  await inspect(page, "brand-orders", info);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href, document.cookie]));
  expect(kept, "addresses stay on the page").not.toMatch(/Market|Flores|example\.com/);
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);
});

test("a list that fails can be tried again; more comes page by page; new orders come first and nothing twice", async ({ page }) => {
  await page.clock.install();
  const shop = await orders(page, "later");
  shop.answers[KEY] = problem(500, "internal", "The server had a problem.");
  await shop.open("/brand/orders");
  await expect(page.getByRole("alert")).toContainText("The server had a problem.");
  let first = [sold(5), sold(4)];
  shop.answers[KEY] = (route) => ({ body: route.request().url().includes("cursor=c1") ? { orders: [sold(4), sold(3)], next: null } : { orders: first, next: "c1" } });
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("button", { name: "Show more" }).click();
  const numbers = page.getByRole("heading", { level: 3 });
  await expect(numbers).toHaveText(["R-2026-000005", "R-2026-000004", "R-2026-000003"]);
  first = [sold(6), sold(5, { state: "refund_pending" })];
  await page.clock.fastForward(10_000);
  await expect(numbers).toHaveText(["R-2026-000006New", "R-2026-000005", "R-2026-000004", "R-2026-000003"]);
  await expect(item(page, 5)).toContainText("Being refunded: do not send");
  // More than a page at once: what lies between is not known, so it begins anew and leads on from there.
  first = [sold(9), sold(8)];
  await page.clock.fastForward(10_000);
  await expect(numbers).toHaveText(["R-2026-000009New", "R-2026-000008New"]);
  await page.getByRole("button", { name: "Show more" }).click();
  await expect(numbers).toHaveText(["R-2026-000009New", "R-2026-000008New", "R-2026-000004", "R-2026-000003"]);
});

test("a server that falls silent is said and the orders stay; offline is said, and nothing is asked", async ({ page, context }, info) => {
  await page.clock.install();
  const shop = await orders(page);
  await shop.open("/brand/orders");
  await expect(item(page, 3)).toBeVisible();
  shop.answers[KEY] = problem(503, "unavailable", "Later.");
  for (let look = 0; look < 3; look++) {
    const before = shop.count(KEY);
    await page.clock.fastForward(10_000);
    await expect.poll(() => shop.count(KEY)).toBeGreaterThan(before);
  }
  await expect(page.getByText("New orders may be missing here for a moment.")).toBeVisible();
  await expect(item(page, 3)).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText("This device is offline.")).toBeVisible();
  await inspect(page, "brand-orders-offline", info);
  const before = shop.count(KEY);
  await page.clock.fastForward(60_000);
  expect(shop.count(KEY)).toBe(before);
  shop.answers[KEY] = { body: { orders: [sold(4), ...MANY], next: null } };
  await context.setOffline(false);
  await expect(item(page, 4)).toBeVisible();
  await expect(page.getByText("may be missing")).toBeHidden();
});

test("an address is copied as it stands on a parcel, or selected where copying is not allowed", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const shop = await orders(page);
  await shop.open("/brand/orders");
  await page.getByRole("button", { name: "Copy the address of R-2026-000003" }).click();
  await expect(item(page, 3).getByRole("status")).toHaveText("Copied");
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("Jo Park\n1 Market St\nSan Francisco, CA 94105\nUnited States");
  await page.evaluate(() => (navigator.clipboard.writeText = () => Promise.reject(new DOMException("no", "NotAllowedError"))));
  await page.getByRole("button", { name: "Copy the address of R-2026-000002" }).click();
  await expect(item(page, 2).getByRole("status")).toContainText("Selected");
  expect(await page.evaluate(() => String(getSelection()))).toContain("Rua das Flores 12");
});

test("packing slips: all that are to be sent, one a page, or one alone; nothing of the page around them", async ({ page }) => {
  const shop = await orders(page);
  await page.addInitScript(() => {
    window.print = () => document.documentElement.setAttribute("data-printed", String(Number(document.documentElement.getAttribute("data-printed")) + 1));
  });
  await shop.open("/brand/orders");
  // As the browser makes it a file: it tells the page before and after, as it does with paper.
  const sheets = async (): Promise<number> => ((await page.pdf({ format: "A4" })).toString("latin1").match(/\/Type \/Page\b/g) ?? []).length;
  const printed = (times: number) => expect(page.locator("html")).toHaveAttribute("data-printed", `${times}`);
  await page.getByRole("button", { name: "Print all slips" }).click();
  await printed(1);
  expect(await sheets(), "what is refunded is not sent").toBe(2);
  expect(await sheets(), "the browser's own menu prints what stands there").toBe(3);
  await page.getByRole("button", { name: "Print the slip of R-2026-000002" }).click();
  await printed(2);
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await expect(item(page, 2)).toContainText("Packing slip");
  await expect(item(page, 3)).toBeHidden();
  for (const gone of ["Print all slips", "Copy", "€69.00", "ana@example.com"]) await expect(page.getByText(gone).first(), gone).toBeHidden();
  await expect(item(page, 2).locator("address")).toHaveCSS("color", "rgb(0, 0, 0)");
  await page.emulateMedia({ media: null, colorScheme: null });
  expect(await sheets()).toBe(1);
  await page.getByRole("button", { name: "Print the slip of R-2026-000002" }).click();
  await printed(3);
});

test("the table: one row per product, quoted, and no cell runs as a formula", async ({ page }) => {
  const shop = await orders(page);
  await shop.open("/brand/orders");
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as CSV" }).click();
  const file = await saved;
  expect(file.suggestedFilename()).toMatch(/^orders-\d{4}-\d\d-\d\d\.csv$/);
  const rows = readFileSync(await file.path(), "utf8").split("\r\n");
  expect(rows).toHaveLength(6);
  expect(rows[1]).toContain('2,"Whistling kettle, 1.5 litres",69.00,EUR,Jo Park,1 Market St,,94105,San Francisco,CA,US,jo@example.com');
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);

  const evil = sold(1, { delivery: { ...american, name: '=HYPERLINK("http://x","y")', line1: "+1 Street", line2: "@x", city: "-2", postcode: "\t=1" } });
  const row = csv([evil]).split("\r\n")[1]!;
  expect(row).toContain(`"'=HYPERLINK(""http://x"",""y"")",'+1 Street,'@x,'\t=1,'-2,CA,US`);
  const yen = sold(1, { lines: [{ title: "Pot", quantity: 1, unit: { amount: 5200, currency: "JPY" } }] });
  expect(csv([yen])).toContain("1,Pot,5200,JPY");
  const cents = sold(1, { lines: [{ title: "Pot", quantity: 1, unit: { amount: 5, currency: "EUR" } }] });
  expect(csv([cents])).toContain("1,Pot,0.05,EUR");
});
