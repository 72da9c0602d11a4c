// Where Stripe takes the payments, the card is typed into Stripe's own field: our page and our server never have it.
// Stripe is a stand-in here (fixtures/stripe.ts); the page's policy is the one that the server sends.

import { expect, test, type Page } from "@playwright/test";
import { guest, order, SHOW } from "./fixtures/kitchen";
import { ORIGIN, problem, Shop, STRIPE_POLICY } from "./fixtures/pages";
import { fillDetails, held, payButton, usual } from "./fixtures/states";
import { StripeStandIn } from "./fixtures/stripe";

const NUMBER = "4242 4242 4242 4242";

async function shopOf(page: Page): Promise<{ shop: Shop; stripe: StripeStandIn }> {
  const shop = new Shop(page);
  usual(shop);
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  shop.policy = STRIPE_POLICY;
  shop.answers["GET /me"] = { body: { ...guest(), provider: "stripe", card_key: "pk_test_shop" } };
  const stripe = new StripeStandIn(page);
  await stripe.start();
  await shop.start();
  await shop.open(`/s/${SHOW}`);
  return { shop, stripe };
}

const sent = (shop: Shop) => shop.calls.filter(({ key }) => key.startsWith("PUT /orders/")).map(({ body }) => body as Record<string, unknown>);
const yours = (page: Page) => expect(page.getByRole("heading", { name: "It is yours" })).toBeVisible();
const priced = (shop: Shop) => expect(payButton(shop)).toHaveText(/\d/);

test("the card goes to Stripe, and its name to us", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  await expect(page.getByRole("button", { name: "Buy Copper pan 28 cm" })).toBeVisible();
  expect(stripe.asked, "nobody is known to Stripe who does not buy").toEqual([]);
  await held(shop);
  await fillDetails(shop);
  await expect(page.getByText("Play money: 4242 4242 4242 4242 pays")).toBeVisible();
  await expect(page.locator("[name=number], [name=cvc]"), "none of our own fields for a card").toHaveCount(0);
  await expect(page.getByText("test cards")).toHaveCount(0);
  await stripe.field.fill(NUMBER);
  await priced(shop);
  await payButton(shop).click();
  await yours(page);
  expect(sent(shop)).toEqual([expect.objectContaining({ token: "pm_1", total: 5390, email: "ana@example.com" })]);
  expect(JSON.stringify(shop.calls)).not.toContain("4242");
  expect(sent(shop)[0]).not.toHaveProperty("card");
  expect(Object.fromEntries(stripe.sent[0]!)).toEqual({ key: "pk_test_shop", type: "card", number: NUMBER, name: "Ana Gomes", email: "ana@example.com" });
  expect(stripe.asked).toEqual(["js.stripe.com/v3/", "js.stripe.com/v3/elements-inner-card.html", "api.stripe.com/v1/payment_methods"]);
  expect(shop.violations).toEqual([]);
  expect(shop.errors).toEqual([]);
});

test("Stripe's field has our look, in the light and in the dark", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  await held(shop);
  await expect(stripe.field).toBeVisible();
  const color = () => page.evaluate(() => (window as unknown as { stripeStyle: { base: { color: string; fontSize: string } } }).stripeStyle.base);
  const text = () => page.locator(".stripe-box").evaluate((box) => getComputedStyle(box).color);
  const light = await text();
  expect(await color()).toMatchObject({ color: light, fontSize: "16px" });
  await page.emulateMedia({ colorScheme: "dark" });
  await expect.poll(text).not.toBe(light);
  await expect.poll(async () => (await color()).color === (await text())).toBe(true);
});

test("a card that is not typed yet is asked for at its field, and nothing is sent", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  await held(shop);
  await fillDetails(shop);
  await expect(stripe.field).toBeVisible();
  await priced(shop);
  await payButton(shop).click();
  await expect(page.getByRole("alert").filter({ hasText: "Number, date and security code of the card" })).toBeVisible();
  await expect(stripe.field).toBeFocused();
  await page.keyboard.type("1");
  await expect(page.getByText("Your card number is invalid.")).toBeVisible();
  await payButton(shop).click();
  await expect(page.getByText("Your card number is invalid.")).toBeVisible();
  expect(stripe.sent).toEqual([]);
  expect(sent(shop)).toEqual([]);
  await stripe.field.fill(NUMBER);
  await expect(page.getByText("Your card number is invalid.")).toHaveCount(0);
});

test("a card that Stripe does not take can be typed again; one that the bank declines too", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  await held(shop);
  await fillDetails(shop);
  await stripe.field.fill(NUMBER);
  await priced(shop);
  stripe.refuses = "Your card's security code is incorrect.";
  await payButton(shop).click();
  await expect(page.getByText("Your card's security code is incorrect.")).toBeVisible();
  await expect(page.getByText("Held for you:")).toBeVisible();
  expect(sent(shop)).toEqual([]);
  shop.onOrder = () => problem(402, "card_declined", "No.", { reason: "insufficient_funds", expires_at: new Date(Date.now() + 120_000).toISOString(), left_ms: 120_000 });
  await payButton(shop).click();
  await expect(page.getByText("There is not enough money on this card.")).toBeVisible();
  await stripe.field.fill("5555 5555 5555 4444");
  shop.onOrder = (id) => ({ body: order(id) });
  await payButton(shop).click();
  await yours(page);
  expect(sent(shop).map(({ token }) => token), "each try has a card of its own").toEqual(["pm_2", "pm_3"]);
  expect(stripe.sent.at(-1)!.get("number")).toBe("5555 5555 5555 4444");
});

test("an answer that did not come is asked for again with the same card, without Stripe", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  await held(shop);
  await fillDetails(shop);
  await stripe.field.fill(NUMBER);
  await priced(shop);
  let tries = 0;
  shop.onOrder = (id) => (++tries < 3 ? problem(503, "payment_unavailable", "Later.", {}, { "Retry-After": "0" }) : { body: order(id) });
  await payButton(shop).click();
  await yours(page);
  expect(new Set(sent(shop).map(({ token }) => token))).toEqual(new Set(["pm_1"]));
  expect(stripe.sent).toHaveLength(1);
});

test("a script that does not come is asked for again by a tap", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  stripe.up = false;
  await held(shop);
  await expect(page.getByRole("alert").filter({ hasText: "Stripe's card field did not open." })).toBeVisible();
  await fillDetails(shop);
  await priced(shop);
  await page.getByLabel("E-mail").scrollIntoViewIfNeeded();
  await payButton(shop).click();
  await expect(page.getByText("Stripe's card field did not open."), "and Pay shows what is in the way").toBeInViewport();
  expect(sent(shop)).toEqual([]);
  stripe.up = true;
  await page.getByRole("button", { name: "Try again" }).click();
  await stripe.field.fill(NUMBER);
  await payButton(shop).click();
  await yours(page);
});

test("the page runs Stripe's scripts and nobody else's", async ({ page }) => {
  const { shop, stripe } = await shopOf(page);
  await held(shop);
  await expect(stripe.field).toBeVisible();
  const run = (address: string) =>
    page.evaluate((address) => {
      try {
        document.createElement("script").src = address;
        return "taken";
      } catch {
        return "refused";
      }
    }, address);
  expect(await run("https://js.stripe.com/v3/more.js")).toBe("taken");
  for (const other of ["https://evil.example/v3/", "https://js.stripe.com.evil.example/v3/", "http://js.stripe.com/v3/", `${ORIGIN}/x.js`, "data:text/javascript,1"]) expect(await run(other), other).toBe("refused");
  const html = await page.evaluate(() => {
    try {
      document.createElement("div").innerHTML = "<p>";
      return "taken";
    } catch {
      return "refused";
    }
  });
  expect(html, "and takes no markup from text").toBe("refused");
});

test("where cards are typed here, Stripe hears of nobody", async ({ page }) => {
  const shop = new Shop(page);
  usual(shop);
  shop.whep = problem(409, "not_live", "No picture yet.", {}, { "Retry-After": "30" });
  const stripe = new StripeStandIn(page);
  await stripe.start();
  await shop.start();
  await shop.open(`/s/${SHOW}`);
  await held(shop);
  await expect(page.getByLabel("Card number")).toBeVisible();
  expect(stripe.asked).toEqual([]);
});
