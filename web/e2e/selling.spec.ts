// What people who sell see of a purchase, and the mails about it, in the real program: a brand's orders, a creator's numbers,
// the receipt in the mailbox, and a password that was forgotten. Every step builds on the one before.

import type { BrowserContext, Page } from "@playwright/test";
import { newId } from "../app/shared/ids";
import { Complaints, inspect } from "./fixtures/inspect";
import { PASSWORD, addShow, ask, newEmail, signUp } from "./fixtures/stage";
import { expect, test } from "./fixtures/test";

const NEW_PASSWORD = "seven calm herons";
const BUYER = "ana@example.com";
const ADDRESS = { name: "Ana Gomes", line1: "Rua das Flores 12", line2: "3.º Esq.", city: "Porto", region: "", postcode: "4050-262", country: "PT" };
const CARD = { number: "4242424242424242", exp_month: 12, exp_year: 2034, cvc: "123" };

test.describe.configure({ mode: "serial" });

test.describe("after a purchase", () => {
  const complaints = new Complaints();
  const variant = newId("var");
  let contexts: BrowserContext[] = [];
  let brand: Page;
  let creator: Page;
  let buyer: Page;
  let email = "";
  let show = "";
  let receipt = "";

  test.beforeAll(async ({ browser, house }) => {
    contexts = await Promise.all([1, 2, 3].map(() => browser.newContext({ baseURL: house.url, permissions: ["camera", "microphone"] })));
    await Promise.all(contexts.map((context) => complaints.listen(context)));
    [brand, creator, buyer] = (await Promise.all(contexts.map((context) => context.newPage()))) as [Page, Page, Page];
    await Promise.all([brand, creator, buyer].map((page) => page.goto("/")));
    const invited = await signUp(brand, "Brass", ["viewer", "brand"]);
    email = await signUp(creator, "Nora");
    show = await addShow(creator, "Tea at Nora's");
    await ask(creator, "PUT", `/shows/${show}/brands`, { email: invited });
    const price = { amount: 6900, currency: "EUR" };
    await ask(brand, "PUT", `/products/${newId("prd")}`, { title: "Whistling kettle", description: "", image: "", variants: [{ id: variant, title: "1.5 litres", price }] });
    await ask(brand, "PUT", `/shows/${show}/stock/${variant}`, { units: 12 });
  });
  test.afterAll(() => Promise.all(contexts.map((context) => context.close())));
  // What this tool would run inside the frame of a mail, where nothing runs, the browser tells.
  test.afterEach(() => expect(complaints.unexpected.filter((line) => !line.endsWith("(about:srcdoc)")), "the pages' consoles are quiet").toEqual([]));

  const sales = (name: string) => creator.getByLabel("Sales of this show").locator("div", { has: creator.getByText(name, { exact: true }) }).getByRole("definition");
  const look = (page: Page) => page.frameLocator(".mb-look");

  test("the brand has sold nothing yet, and its creator neither", async () => {
    await brand.goto("/brand/orders");
    await expect(brand.getByRole("heading", { name: "Nothing sold yet" })).toBeVisible();
    await creator.goto(`/studio/${show}?quality=low`);
    await expect(sales("Held")).toHaveText("0");
    await expect(sales("Stock left")).toHaveText("12");
  });

  test("the studio's numbers follow a hold, its release, a hold and its payment", async ({}, info) => {
    const held = newId("hld");
    await ask(buyer, "PUT", `/holds/${held}`, { show, variant, quantity: 1 });
    await expect(sales("Held")).toHaveText("1", { timeout: 3_000 });
    await expect(sales("Stock left")).toHaveText("11");
    await ask(buyer, "DELETE", `/holds/${held}`);
    await expect(sales("Held")).toHaveText("0", { timeout: 3_000 });

    const hold = newId("hld");
    await ask(buyer, "PUT", `/holds/${hold}`, { show, variant, quantity: 2 });
    await expect(sales("Held")).toHaveText("2", { timeout: 3_000 });
    const order = await ask<{ receipt: { number: string } }>(buyer, "PUT", `/orders/${newId("ord")}`, { hold, email: BUYER, name: "Ana Gomes", delivery: ADDRESS, card: CARD });
    receipt = order.receipt.number;
    await expect(sales("Sold")).toHaveText("2", { timeout: 4_000 });
    await expect(sales("Held")).toHaveText("0");
    await expect(sales("Revenue")).not.toHaveText("€0.00");
    await expect(creator.getByRole("list", { name: "The newest orders" }).getByRole("listitem")).toContainText(/2 × Whistling kettle.*Ana Gomes/);
    await inspect(creator, "selling-studio", info);
  });

  test("the order is on the brand's page by itself, with where it goes; no stranger reads it", async ({}, info) => {
    const item = brand.getByRole("listitem", { name: `Order ${receipt}` });
    await expect(item).toContainText("New", { timeout: 15_000 });
    await expect(item).toContainText("Tea at Nora's");
    await expect(item).toContainText(/2 × Whistling kettle.*€69\.00 each/);
    await expect(item.locator("address > span")).toHaveText(["Ana Gomes", "Rua das Flores 12", "3.º Esq.", "4050-262 Porto", "Portugal"]);
    await inspect(brand, "selling-orders", info);
    expect((await ask<{ orders: unknown[] }>(creator, "GET", "/orders/sold")).orders, "the creator owns none of it").toEqual([]);
  });

  test("the receipt is in the mailbox, and its link opens the order", async ({}, info) => {
    await buyer.goto("/");
    await buyer.getByRole("link", { name: "Read the mails" }).click();
    await buyer.getByRole("link", { name: new RegExp(receipt) }).click({ timeout: 20_000 });
    await expect(look(buyer).getByText("Whistling kettle", { exact: false }).first()).toBeVisible();
    await inspect(buyer, "selling-mail", info);
    const opened = buyer.waitForEvent("popup");
    await look(buyer).getByRole("link").first().click();
    await expect((await opened).getByText("Paid, and yours", { exact: false })).toBeVisible();
    await (await opened).close();
  });

  test("a forgotten password: asked for, read in the mailbox, set anew; the old session is out", async ({ browser, house }, info) => {
    const other = await browser.newContext({ baseURL: house.url });
    contexts.push(other);
    await complaints.listen(other);
    const page = await other.newPage();
    await page.goto("/signin");
    await page.getByRole("link", { name: "Forgot your password?" }).click();
    await page.getByLabel("E-mail of your account").fill(newEmail("nobody"));
    await page.getByRole("button", { name: "Mail me a link" }).click();
    await expect(page.getByRole("heading", { name: "Look into your mail" }), "the same words for a stranger").toBeVisible();
    await page.getByRole("button", { name: "Use another address" }).click();
    await page.getByLabel("E-mail of your account").fill(email);
    await page.getByRole("button", { name: "Mail me a link" }).click();
    await page.getByRole("link", { name: "the mailbox" }).click();
    await page.getByRole("link", { name: new RegExp(`Set a new password.*${email}`) }).click({ timeout: 20_000 });
    // The studio that is left open asks for its numbers with a session that is over.
    complaints.expectRefusal(401, /\/sales/);
    const opening = page.waitForEvent("popup");
    await look(page).getByRole("link").first().click();
    const reset = await opening;
    await reset.getByLabel("New password").fill(NEW_PASSWORD);
    expect(reset.url()).toBe(`${house.url}/reset`);
    await reset.getByRole("button", { name: "Set the password" }).click();
    await expect(reset.getByText("You are signed in as Nora.")).toBeVisible();
    await inspect(reset, "selling-reset-done", info);
    await reset.getByRole("main").getByRole("link", { name: "Open the studio" }).click();
    await expect(reset.getByRole("link", { name: /Tea at Nora's/ })).toBeVisible();

    // Whoever was signed in elsewhere is out; the old password opens nothing, the new one does.
    await creator.goto("/studio");
    await expect(creator.getByRole("heading", { name: "Your stage is one sign-in away" })).toBeVisible();
    complaints.expectRefusal(401, /\/sessions/);
    await creator.getByRole("link", { name: "Sign in" }).click();
    await creator.getByLabel("E-mail").fill(email);
    await creator.getByLabel("Password").fill(PASSWORD);
    await creator.getByRole("button", { name: "Sign in" }).click();
    await expect(creator.getByRole("alert")).toContainText("do not belong together");
    await creator.getByLabel("Password").fill(NEW_PASSWORD);
    await creator.getByRole("button", { name: "Sign in" }).click();
    await expect(creator.getByRole("link", { name: /Tea at Nora's/ })).toBeVisible();

    // The link works once.
    complaints.expectRefusal(410, /\/redeem/);
    const again = page.waitForEvent("popup");
    await look(page).getByRole("link").first().click();
    await (await again).getByLabel("New password").fill("another four words");
    await (await again).getByRole("button", { name: "Set the password" }).click();
    await expect((await again).getByRole("heading", { name: "This link does not work any more" })).toBeVisible();
  });
});
