// The mailbox of a program that is tried out, in every state. What the real program puts into it is in mail.spec.ts.

import { expect, test, type Page } from "@playwright/test";
import type { Mail } from "../app/shared/api";
import { tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { ORIGIN, problem, Shop } from "./fixtures/pages";

const LIST = "GET /mailbox";

const mail = (n: number, more: Partial<Mail> = {}): Mail => ({
  id: `mal_${n.toString(16).padStart(32, "0")}`,
  to: "ana@example.com",
  subject: `Your order ${n}`,
  sent_at: new Date(Date.now() - (60 - n) * 60_000).toISOString(),
  text: `Thank you, Ana.\n\nOpen your order: ${ORIGIN}/orders/ord_${n}?link=signed\n`,
  html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>m</title><style>h1 { color: rgb(29, 107, 58) } @media (prefers-color-scheme: dark) { h1 { color: #6fce92 } .b { background: #0e1116; color: #fff } .b a { color: #fff } }</style></head>
<body class="b" style="margin:0;padding:24px"><h1>Thank you</h1><p style="font-weight:700">Number ${n}</p><div style="height:1400px"></div><p><a href="${ORIGIN}/orders/ord_${n}?link=signed">Open your order</a></p></body></html>`,
  ...more,
});

async function box(page: Page, ...mails: Mail[]): Promise<Shop> {
  const shop = new Shop(page);
  await shop.start();
  put(shop, ...mails);
  return shop;
}

function put(shop: Shop, ...mails: Mail[]): void {
  shop.answers[LIST] = { body: { mails: mails.map(({ id, to, subject, sent_at }) => ({ id, to, subject, sent_at })) } };
  for (const each of mails) shop.answers[`${LIST}/${each.id}`] = { body: each };
}

const look = (page: Page) => page.frameLocator(".mb-look");

test.afterEach(async ({ page }) => {
  expect(await tooSmall(page), "touch targets").toEqual([]);
});

test("loading, failing, empty; then a mail comes by itself and is told", async ({ page, context }, info) => {
  const shop = await box(page);
  shop.answers[LIST] = { afterMs: 30_000 };
  await shop.open("/mailbox");
  await expect(page.getByText("Loading the mails")).toBeAttached();
  await inspect(page, "mailbox-loading", info);
  shop.answers[LIST] = problem(500, "internal", "The server had a problem.");
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("The server had a problem.");
  await inspect(page, "mailbox-failed", info);
  put(shop);
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "No mail yet" })).toBeVisible();
  await inspect(page, "mailbox-empty", info);
  put(shop, mail(1));
  await expect(page.getByRole("link", { name: /Your order 1/ })).toContainText("to ana@example.com");
  await expect(page.getByRole("status").filter({ hasText: "A new mail: Your order 1" })).toBeAttached();
  shop.answers[LIST] = problem(503, "unavailable", "Later.");
  await expect(page.getByText("New mails may be missing here.")).toBeVisible();
  await expect(page.getByRole("link", { name: /Your order 1/ })).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText("This device is offline.")).toBeVisible();
  await inspect(page, "mailbox-offline", info);
  put(shop, mail(2), mail(1));
  await context.setOffline(false);
  await expect(page.getByRole("link", { name: /Your order 2/ })).toBeVisible();
});

test("a mail as it looks and as plain text; its links open beside the page", async ({ page, context }, info) => {
  const shop = await box(page, mail(2), mail(1));
  await shop.open("/mailbox");
  await inspect(page, "mailbox", info);
  await page.getByRole("link", { name: /Your order 1/ }).click();
  await expect(page).toHaveURL(/\/mailbox\/mal_0+1$/);
  await expect(page.getByRole("heading", { name: "Your order 1" })).toBeFocused();
  await expect(look(page).getByText("Number 1")).toHaveCSS("font-weight", "700");
  await expect(look(page).getByRole("heading", { name: "Thank you" }), "its own style sheet counts").toHaveCSS("color", "rgb(29, 107, 58)");
  // As high as what it holds: one page scrolls, not two.
  await expect.poll(() => page.locator(".mb-look").evaluate((frame) => frame.clientHeight)).toBeGreaterThan(1_400);
  await expect(page.getByRole("link", { name: /Your order 1/ })).toHaveAttribute("aria-current", "true");
  await inspect(page, "mailbox-mail", info);

  await context.route(`${ORIGIN}/orders/**`, (route) => route.fulfill({ body: "the order" }));
  const opened = context.waitForEvent("page");
  await look(page).getByRole("link", { name: "Open your order" }).click();
  expect((await opened).url()).toBe(`${ORIGIN}/orders/ord_1?link=signed`);
  await (await opened).close();

  await page.getByRole("button", { name: "Plain text" }).click();
  await expect(page.getByLabel("The mail as plain text")).toContainText(`Open your order: ${ORIGIN}/orders/ord_1?link=signed`);
  await inspect(page, "mailbox-text", info);
  await page.goBack();
  await expect(page).toHaveURL(/\/mailbox$/);
  await expect(page.getByText("Choose a mail to read it.")).toBeVisible();
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);
});

test("on a phone the list and the mail follow each other", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  const shop = await box(page, mail(1));
  await shop.open("/mailbox");
  await page.getByRole("link", { name: /Your order 1/ }).click();
  await expect(page.getByRole("region", { name: "Mails" })).toBeHidden();
  await expect(look(page).getByText("Number 1")).toBeVisible();
  await page.getByRole("link", { name: "All mails" }).click();
  await expect(page.getByRole("region", { name: "Mails" })).toBeVisible();
  await expect(page.getByRole("region", { name: "The mail" })).toBeHidden();
});

test("a mail cannot run scripts, call strangers, or leave its frame", async ({ page }) => {
  const left: string[] = [];
  await page.route("https://stranger.example/**", (route) => {
    left.push(route.request().url());
    return route.abort();
  });
  const evil = mail(1, {
    html: `<!doctype html><html lang="en"><head><title>m</title><script>parent.document.title = "taken"</script><meta http-equiv="refresh" content="0;url=${ORIGIN}/refreshed"></head><body onload="parent.document.title='taken'">
<img src="https://stranger.example/pixel.png" onerror="parent.document.title='taken'"><form action="https://stranger.example/form"><button>Send</button></form><p>Harmless</p></body></html>`,
  });
  const shop = await box(page, evil);
  await shop.open(`/mailbox/${evil.id}`);
  await expect(look(page).getByText("Harmless")).toBeVisible();
  await look(page).getByRole("button", { name: "Send" }).click();
  await expect(page).toHaveTitle("Your order 1 · Mailbox · Rialto");
  expect(page.url()).toBe(`${ORIGIN}/mailbox/${evil.id}`);
  expect(left).toEqual([]);
  expect(shop.violations.join("\n"), "the page's policy kept the picture out").toContain("stranger.example/pixel.png");
});

test("a mail that is gone, and one that does not load", async ({ page }, info) => {
  const shop = await box(page, mail(1));
  shop.answers[`${LIST}/mal_9`] = problem(404, "mail_unknown", "There is no such mail.");
  await shop.open("/mailbox/mal_9");
  await expect(page.getByRole("heading", { name: "This mail is not here" })).toBeVisible();
  await inspect(page, "mailbox-gone", info);
  shop.answers[`${LIST}/mal_9`] = problem(500, "internal", "The server had a problem.");
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("The server had a problem.");
  shop.answers[`${LIST}/mal_9`] = { body: mail(9) };
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Your order 9" })).toBeVisible();
});
