// A viewer's page in its room: the line that breaks, sleeps and comes back, and the conversation over it.

import { expect, test, type Page } from "@playwright/test";
import { GUEST, SHOW, dropSet, flash, priceSet, said, stockSet, talk } from "./fixtures/kitchen";
import { problem, Shop, type Call } from "./fixtures/pages";
import { openChat, say, usual } from "./fixtures/states";

async function shopOf(page: Page, before?: (shop: Shop) => unknown): Promise<Shop> {
  const shop = new Shop(page);
  usual(shop);
  // No picture needed here, and a browser without video is a quicker one.
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  await shop.start();
  await before?.(shop);
  await shop.open(`/s/${SHOW}`);
  await expect.poll(() => shop.heard.filter(({ t }) => t === "ping").length).toBeGreaterThan(0);
  return shop;
}

const joins = (shop: Shop) => shop.heard.filter(({ t }) => t === "join");
const calls = (shop: Shop, name: string): Call[] => shop.heard.filter(({ t, call }) => t === "call" && call === name) as unknown as Call[];
const log = (page: Page) => page.getByRole("log", { name: "Chat" });
const lines = (page: Page) => log(page).getByRole("listitem");
const card = (page: Page) => page.getByRole("region", { name: /^Showing now/ });

test.describe("the line", () => {
  test("offline is said at once; back online it resumes where it was, and nothing is doubled", async ({ page, context }) => {
    const shop = await shopOf(page, (s) => (s.recent = talk()));
    await expect(lines(page)).toHaveCount(7);
    shop.send(stockSet(20, 30));
    await expect(card(page).getByText("30 left")).toBeVisible();
    await context.setOffline(true);
    await expect(page.getByText("You are offline. We go on", { exact: false })).toBeVisible();
    await expect.poll(() => shop.sockets.length).toBe(0);
    const last = shop.recent.at(-1)!;
    shop.recent = [...shop.recent, said("Tom", "said while you were away")];
    await context.setOffline(false);
    await expect.poll(() => joins(shop).length).toBe(2);
    expect(joins(shop)[1]).toMatchObject({ epoch: "e1", o: shop.offset });
    await expect(lines(page)).toHaveCount(8);
    shop.sample(last, shop.recent.at(-1)!);
    shop.send(stockSet(21, 29));
    await expect(card(page).getByText("29 left")).toBeVisible();
    await expect(lines(page)).toHaveCount(8);
    await expect(page.getByText("You are offline. We go on", { exact: false })).toHaveCount(0);
    expect(shop.sockets).toHaveLength(1);
  });

  test("a line that died in sleep is found out on waking, and there are never two", async ({ page }) => {
    const shop = await shopOf(page);
    shop.answersPings = false;
    const asked = shop.heard.filter(({ t }) => t === "ping").length;
    await page.evaluate(() => {
      document.dispatchEvent(new Event("visibilitychange"));
      document.dispatchEvent(new Event("resume"));
    });
    await expect.poll(() => shop.heard.filter(({ t }) => t === "ping").length, { message: "it asks" }).toBeGreaterThan(asked);
    await expect.poll(() => joins(shop).length, { timeout: 15_000 }).toBe(2);
    expect(shop.sockets).toHaveLength(1);
  });

  test("a page that is put away closes its line, and opens one when it is taken out again", async ({ page }) => {
    const shop = await shopOf(page);
    await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
    await expect.poll(() => shop.sockets.length).toBe(0);
    await page.evaluate(() => {
      dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      document.dispatchEvent(new Event("visibilitychange"));
      dispatchEvent(new Event("online"));
    });
    await expect.poll(() => joins(shop).length).toBe(2);
    shop.send(stockSet(20, 11));
    await expect(card(page).getByText("11 left")).toBeVisible();
    expect(joins(shop)).toHaveLength(2);
    expect(shop.sockets).toHaveLength(1);
  });

  test("a machine that slept an hour, its steady clock standing still: what has ended is over, what has opened is open", async ({ page }) => {
    const shop = await shopOf(page, (s) => {
      s.snapshot = [priceSet(20, flash(-10, 1_800)), dropSet(21, 1_800)];
      return s.shiftClock(0);
    });
    await expect(card(page).getByText("€29.90")).toBeVisible();
    await expect(card(page).getByRole("button", { name: /Opens in/ })).toBeVisible();
    shop.ahead = 3_600_000;
    await page.evaluate(() => (window.clockShift += 3_600_000));
    await expect(card(page).getByText("€29.90")).toHaveCount(0);
    await expect(card(page).getByRole("button", { name: "Buy Copper pan 28 cm" })).toBeVisible();
  });

  test("values without a version: the newest heard counts, a snapshot without it takes it away", async ({ page }) => {
    const shop = await shopOf(page);
    const count = page.locator(".watch-about .viewers");
    await expect(count).toHaveText("1,204 watching");
    shop.send({ t: "tick", d: [{ t: "viewers.set", d: { count: 9 } }] });
    await expect(count).toHaveText("9 watching");
    shop.epoch = "e2";
    shop.present = [];
    await shop.sockets[0]!.close({ code: 1011 });
    await expect.poll(() => joins(shop).length, { timeout: 15_000 }).toBe(2);
    await expect(count).toHaveCount(0);
  });
});

test.describe("the chat", () => {
  test("an own line waits, is confirmed, and is one with what comes back; markup is text", async ({ page }) => {
    let answer: ((reply: object) => void) | null = null;
    const shop = await shopOf(page, (s) => {
      s.onCall = ({ id }) => {
        answer = (reply) => s.sockets.forEach((socket) => socket.send(JSON.stringify({ t: "reply", id, ...reply })));
        return null;
      };
    });
    const words = "<img src=x onerror=alert(1)> & so on";
    await say(shop, words);
    await expect(log(page).getByText("sending")).toBeAttached();
    await expect.poll(() => answer).not.toBeNull();
    answer!({ d: { id: "lin_mine" } });
    await expect(log(page).getByText("sending")).toHaveCount(0);
    shop.sample(said("Guest 9", words, { id: "lin_mine", subject: GUEST, role: "buyer", at: Date.now() }));
    await expect(lines(page).filter({ hasText: words })).toHaveCount(1);
    await expect(lines(page).filter({ hasText: words })).toContainText("Buyer");
    await expect(log(page).locator("img")).toHaveCount(0);
  });

  test("a line whose answer was lost with the connection is tried again as the same call", async ({ page }) => {
    const shop = await shopOf(page, (s) => (s.onCall = () => null));
    await say(shop, "can you show the handle?");
    await expect.poll(() => calls(shop, "chat.say").length).toBe(1);
    await shop.sockets[0]!.close({ code: 1011 });
    await expect(log(page).getByText("Not sent.")).toBeVisible();
    await expect.poll(() => joins(shop).length, { timeout: 15_000 }).toBe(2);
    shop.onCall = () => ({ d: { id: "lin_once" } });
    await log(page).getByRole("button", { name: "Try again" }).click();
    await expect(log(page).getByText("Not sent.")).toHaveCount(0);
    const [first, second] = calls(shop, "chat.say");
    expect(second).toEqual(first);
    await expect(lines(page).filter({ hasText: "can you show the handle?" })).toHaveCount(1);
  });

  test("too often: the words come back, and Send waits as long as the room says", async ({ page }) => {
    const shop = await shopOf(page, (s) => (s.onCall = () => ({ error: { code: "too_often", detail: "Slower.", retry_after_ms: 2_500 } })));
    const field = page.getByLabel("Say something");
    await say(shop, "me again");
    await expect(page.getByRole("alert")).toContainText("A little slower");
    await expect(field).toHaveValue("me again");
    await expect(page.getByRole("button", { name: /^Send, possible in [123] s/ })).toBeVisible();
    await page.keyboard.press("Enter");
    expect(calls(shop, "chat.say")).toHaveLength(1);
    await expect(page.getByRole("button", { name: "Send", exact: true })).toBeVisible();
    shop.onCall = () => ({ d: { id: "lin_later" } });
    await page.keyboard.press("Enter");
    await expect(field).toHaveValue("");
    await expect(lines(page).filter({ hasText: "me again" })).toHaveCount(1);
  });

  test("near its limit the field counts, past it nothing is sent", async ({ page }) => {
    const shop = await shopOf(page);
    const field = page.getByLabel("Say something");
    await field.fill("x".repeat(159));
    await expect(page.getByText(/^\d+ left$/)).toHaveCount(2); // what is sold, and nothing of the field
    await field.fill("x".repeat(190));
    await expect(page.getByText("10 left")).toBeVisible();
    await field.fill("x".repeat(201));
    await expect(page.getByText("1 too many")).toBeVisible();
    await page.keyboard.press("Enter");
    await expect(field).toHaveValue("x".repeat(201));
    expect(calls(shop, "chat.say")).toEqual([]);
  });

  test("who reads further up is not pulled down; new lines are counted, and one tap leads to them", async ({ page }) => {
    const shop = await shopOf(page, (s) => (s.recent = Array.from({ length: 50 }, (_, i) => said("Ana", `line ${i}`))));
    const atEnd = () => log(page).evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2);
    await expect(lines(page)).toHaveCount(50);
    await expect.poll(atEnd).toBe(true);
    await log(page).focus();
    await page.keyboard.press("Home");
    await expect.poll(() => log(page).evaluate((box) => box.scrollTop)).toBe(0);
    shop.sample(said("Tom", "new one", { at: Date.now() }), said("Tom", "new two", { at: Date.now() }));
    const pill = page.getByRole("button", { name: "2 new lines" });
    await expect(pill).toBeVisible();
    expect(await log(page).evaluate((box) => box.scrollTop)).toBe(0);
    await pill.click();
    await expect.poll(atEnd).toBe(true);
    await expect(pill).toHaveCount(0);
    shop.sample(said("Tom", "new three", { at: Date.now() }));
    await expect(lines(page)).toHaveCount(53);
    await expect.poll(atEnd, { message: "at the end it stays at the end" }).toBe(true);
  });

  test("a screen reader hears it only while the person is in it", async ({ page }) => {
    await shopOf(page);
    await expect(log(page)).toHaveAttribute("aria-live", "off");
    await page.getByLabel("Say something").focus();
    await expect(log(page)).toHaveAttribute("aria-live", "polite");
    await card(page).getByRole("button").focus();
    await expect(log(page)).toHaveAttribute("aria-live", "off");
  });

  test("on a phone the newest five lie over the picture; one tap opens all, and Escape leads back", async ({ page }) => {
    await page.setViewportSize({ width: 375, height: 812 });
    const shop = await shopOf(page, (s) => (s.recent = talk()));
    const fade = page.getByRole("button", { name: /^Open the chat/ });
    await expect(fade).toContainText("about half of the iron one");
    await expect(fade).toContainText("Links in the description");
    await expect(fade).not.toContainText("dishwasher");
    await fade.click();
    await expect(lines(page)).toHaveCount(7);
    await expect(page.getByLabel("Say something")).toBeFocused();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toHaveCount(0);
    await expect(page.getByRole("button", { name: "Say something" })).toBeVisible();
    await openChat(shop);
  });

  test("hearts go out as counts and come back as everybody's", async ({ page }) => {
    const shop = await shopOf(page);
    const heart = page.getByRole("button", { name: "Send a heart" });
    for (let i = 0; i < 5; i++) await heart.click();
    await expect.poll(() => calls(shop, "hearts.send").reduce((sum, { d }) => sum + (d.count ?? 0), 0)).toBe(5);
    expect(calls(shop, "hearts.send").length).toBeLessThan(5);
    expect(calls(shop, "hearts.send")[0]).not.toHaveProperty("id");
    await expect(page.locator(".heart-burst"), "nothing moves that the server did not cause").toHaveCount(0);
    shop.sample({ t: "hearts", d: { count: 12 } });
    await expect(page.locator(".heart-burst")).toHaveText("12");
    await expect(page.locator(".heart-burst")).toHaveCount(0);
  });

  test("who is banned while talking finds neither chat nor Buy", async ({ page }) => {
    const shop = await shopOf(page, (s) => (s.recent = talk()));
    await expect(lines(page)).toHaveCount(7);
    await shop.sockets[0]!.close({ code: 4101, reason: "banned" });
    await expect(page.getByRole("heading", { name: "You cannot watch this show" })).toBeVisible();
    await expect(log(page)).toHaveCount(0);
    await expect(page.getByRole("button", { name: /^Buy/ })).toHaveCount(0);
  });
});
