// A forgotten password, in every state a person can meet. The way through the real program is in mail.spec.ts.

import { expect, test, type Page } from "@playwright/test";
import { tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { guest, mara } from "./fixtures/kitchen";
import { ORIGIN, problem, Shop } from "./fixtures/pages";

const ASK = "POST /password-resets";
const REDEEM = "POST /password-resets/redeem";
const TOKEN = "rst_0123456789abcdefghijABCDEFGHIJ-_";
const PASSWORD = "seven calm herons";

async function shopOf(page: Page): Promise<Shop> {
  const shop = new Shop(page);
  await shop.start();
  shop.answers["GET /me"] = { body: guest() };
  shop.answers["GET /shows"] = { body: { shows: [], next: null } };
  return shop;
}

test.afterEach(async ({ page }) => {
  expect(await tooSmall(page), "touch targets").toEqual([]);
});

test("from the sign-in page to the link that is on its way; nothing tells whether there is such an account", async ({ page }, info) => {
  const shop = await shopOf(page);
  shop.answers["GET /me"] = { body: { ...guest(), mail: true, mailbox: true } };
  await shop.open("/signin?next=%2Fstudio");
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await expect(page).toHaveURL(/\/forgot\?next=%2Fstudio$/);
  await inspect(page, "forgot", info);
  const field = page.getByLabel("E-mail of your account");
  const send = page.getByRole("button", { name: "Mail me a link" });

  shop.answers[ASK] = problem(422, "email_invalid", "No address.");
  await field.fill("ana@example");
  await send.click();
  await expect(page.getByText("An e-mail address, like ana@example.com.")).toBeVisible();
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await inspect(page, "forgot-wrong", info);

  shop.answers[ASK] = problem(429, "too_many_attempts", "Wait.", {}, { "Retry-After": "60" });
  await field.fill("ana@example.com");
  await send.click();
  await expect(page.getByRole("alert")).toContainText("please wait a minute");

  shop.answers[ASK] = problem(503, "mail_unavailable", "No mail.");
  await send.click();
  await expect(page.getByRole("alert")).toContainText("No mail can be sent from here");
  await inspect(page, "forgot-no-mail", info);

  shop.answers[ASK] = { status: 202, body: {} };
  await send.click();
  await expect(page.getByRole("heading", { name: "Look into your mail" })).toBeFocused();
  await expect(page.getByText("If there is an account of ana@example.com")).toBeVisible();
  await expect(page.getByRole("link", { name: "the mailbox" })).toHaveAttribute("href", "/mailbox");
  expect(shop.calls.filter(({ key }) => key === ASK).at(-1)?.body).toEqual({ email: "ana@example.com" });
  await inspect(page, "forgot-asked", info);
  await page.getByRole("button", { name: "Use another address" }).click();
  await expect(field).toHaveValue("ana@example.com");
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);
});

test("where no mail is kept nothing leads to a mailbox", async ({ page }) => {
  const shop = await shopOf(page);
  shop.answers[ASK] = { status: 202, body: {} };
  await shop.open("/forgot");
  await page.getByLabel("E-mail of your account").fill("ana@example.com");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Look into your mail" })).toBeVisible();
  await expect(page.getByRole("link", { name: /mail/ })).toHaveCount(0);
});

test("the token leaves the address bar at once and goes to the server alone, in the body", async ({ page }, info) => {
  const shop = await shopOf(page);
  const seen: string[] = [];
  page.on("request", (request) => seen.push(JSON.stringify([request.url(), request.headers()])));
  await shop.open(`/reset#${TOKEN}`);
  await expect(page.getByRole("heading", { name: "Choose a new password" })).toBeVisible();
  expect(page.url()).toBe(`${ORIGIN}/reset`);
  await inspect(page, "reset", info);

  const field = page.getByLabel("New password");
  const set = page.getByRole("button", { name: "Set the password" });
  await field.fill("short");
  await set.click();
  await expect(page.getByText("5 more to go")).toBeVisible();
  expect(shop.count(REDEEM)).toBe(0);
  await expect(field).toHaveAttribute("type", "password");
  await page.getByLabel("Show what I type").check();
  await expect(field).toHaveAttribute("type", "text");
  shop.answers[REDEEM] = problem(422, "password_invalid", "This password is known to many. Choose another.");
  await field.fill(PASSWORD);
  await set.click();
  await expect(page.getByText("This password is known to many.")).toBeVisible();
  await inspect(page, "reset-wrong", info);
  shop.answers[REDEEM] = problem(503, "busy", "Too many people sign in right now. Please try again in a moment.");
  await set.click();
  await expect(page.getByRole("alert")).toContainText("try again in a moment");

  shop.answers[REDEEM] = { body: mara().account };
  shop.answers["GET /me"] = { body: mara() };
  await set.dblclick();
  await expect(page.getByRole("heading", { name: "Your new password is set" })).toBeFocused();
  await expect(page.getByText("You are signed in as Mara.")).toBeVisible();
  await expect(page.getByRole("main").getByRole("link", { name: "Open the studio" })).toHaveAttribute("href", "/studio");
  await expect(page.getByRole("link", { name: "Mara", exact: true }), "the page's head knows it too").toBeVisible();
  expect(shop.calls.filter(({ key }) => key === REDEEM).map(({ body }) => body)).toEqual(Array(3).fill({ token: TOKEN, password: PASSWORD }));
  expect(seen.filter((each) => each.includes(TOKEN))).toEqual([]);
  expect(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state, document.cookie]))).not.toContain(TOKEN);
  await inspect(page, "reset-done", info);
  await page.goBack().catch(() => undefined);
  expect(page.url()).not.toContain(TOKEN);
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);
});

test("a link that is used up, one whose answer was lost, and none at all lead on", async ({ page }, info) => {
  const shop = await shopOf(page);
  const choose = async (): Promise<void> => {
    await page.getByLabel("New password").fill(PASSWORD);
    await page.getByRole("button", { name: "Set the password" }).click();
  };
  shop.answers[REDEEM] = problem(410, "reset_invalid", "Used.");
  await shop.open(`/reset#${TOKEN}`);
  await choose();
  await expect(page.getByRole("heading", { name: "This link does not work any more" })).toBeVisible();
  await expect(page.getByRole("link", { name: "Ask for a new link" })).toHaveAttribute("href", "/forgot");
  await expect(page.getByText("may be set already")).toHaveCount(0);
  await inspect(page, "reset-spent", info);

  // Another link in the same tab changes only what stands behind the #.
  await page.evaluate((token) => (location.hash = `${token}2`), TOKEN);
  shop.answers[REDEEM] = { lost: true };
  await choose();
  await expect(page.getByRole("alert")).toContainText("cannot be reached");
  shop.answers[REDEEM] = problem(410, "reset_invalid", "Used.");
  await page.getByRole("button", { name: "Set the password" }).click();
  await expect(page.getByText("your new password may be set already")).toBeVisible();
  await expect(page.getByRole("link", { name: "Try to sign in" })).toHaveAttribute("href", "/signin");
  expect(page.url()).toBe(`${ORIGIN}/reset`);

  await page.reload();
  await expect(page.getByRole("heading", { name: "Open the link of your mail" })).toBeVisible();
  await inspect(page, "reset-without", info);
  await page.getByRole("link", { name: "Ask for a link" }).click();
  await expect(page.getByRole("heading", { name: "Forgot your password?" })).toBeVisible();
});
