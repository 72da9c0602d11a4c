// Every page and main state of the real program: readable by everybody (axe), nothing to scroll sideways, nothing forbidden
// by the content policy, nothing said on the console. Rare states that no server can be brought into at will are in
// states.spec.ts and studio-pages.spec.ts.

import type { Browser, BrowserContext, Locator, Page } from "@playwright/test";
import { newId } from "../app/shared/ids";
import { inspect } from "./fixtures/inspect";
import { expect, test } from "./fixtures/test";
import { CARDS, addProduct, addShow, ask, card, endShow, expectPicture, fillPayment, goLive, payButton, pin, signUp } from "./fixtures/stage";

test.use({ demo: true });
test.describe.configure({ timeout: 120_000 });
test.beforeEach(({ complaints }) => void complaints); // listens in each test

const PAN = "Copper pan 28 cm";

let demo = "";
/** The cookies of a creator. */
let nora: Awaited<ReturnType<BrowserContext["storageState"]>>;
let upcoming = "";
let ended = "";

test.beforeAll(async ({ browser, house }) => {
  const page = await (await browser.newContext({ baseURL: house.url })).newPage();
  await page.goto("/");
  const live = async (): Promise<string> => (await ask<{ shows: { id: string; on_air: boolean }[] }>(page, "GET", "/shows?state=live")).shows.find((show) => show.on_air)?.id ?? "";
  await expect.poll(async () => (demo = await live()), { message: "the demo show is on air", timeout: 20_000 }).toMatch(/^shw_/);
  await signUp(page, "Nora");
  nora = await page.context().storageState();
  upcoming = await addShow(page, "Knives, and how to keep them sharp for longer than you thought");
  ended = await addShow(page, "What was", 1_000);
  await addProduct(page, ended, { title: "Linen apron", amount: 2600, stock: 3 });
  await ask(page, "POST", `/shows/${ended}/end`);
  await page.context().close();
});

const dialog = (page: Page, name: string | RegExp) => page.getByRole("dialog", { name });

async function hold(page: Page): Promise<void> {
  await page.goto(`/s/${demo}`);
  await card(page, PAN).getByRole("button", { name: `Buy ${PAN}` }).click();
  await expect(dialog(page, "Yours, for now")).toBeVisible();
}

test.describe("a viewer's pages", () => {
  test("home tells what is live and what comes next", async ({ page }, info) => {
    await page.goto("/");
    await expect(page.getByRole("region", { name: "Live now" }).getByRole("link", { name: /Mara's kitchen/ })).toBeVisible();
    await expect(page.getByRole("region", { name: "Coming up" }).getByRole("link", { name: /Knives/ })).toBeVisible();
    await inspect(page, "home", info);
  });

  test("a live show plays, with its pinned product and the bag", async ({ page }, info) => {
    await page.goto(`/s/${demo}`);
    await expectPicture(page, "the demo show");
    await expect(card(page, PAN).getByText(/^\d+ left$/)).toBeVisible();
    await inspect(page, "watch-live", info);
    await page.getByRole("button", { name: "Turn sound on" }).click();
    await expect(page.getByRole("button", { name: "Turn sound off" })).toBeVisible();
    expect(await page.locator("video").evaluate((video: HTMLVideoElement) => video.muted)).toBe(false);
    await expectPicture(page, "with sound");
  });

  test("a show that has not begun counts down", async ({ page }, info) => {
    await page.goto(`/s/${upcoming}`);
    await expect(page.getByRole("heading", { name: "The show starts in" })).toBeVisible();
    await inspect(page, "watch-upcoming", info);
  });

  test("a show that has ended says so, and sells nothing", async ({ page }, info) => {
    await page.goto(`/s/${ended}`);
    await expect(page.getByRole("heading", { name: "This show has ended" })).toBeVisible();
    await expect(page.getByRole("button", { name: /^Buy/ })).toHaveCount(0);
    await inspect(page, "watch-ended", info);
  });

  test("an unknown show is told in words", async ({ page, complaints }, info) => {
    const nowhere = newId("shw");
    complaints.expectRefusal(404, new RegExp(`/shows/${nowhere}`));
    await page.goto(`/s/${nowhere}`);
    await expect(page.getByRole("heading", { name: "There is no show here" })).toBeVisible();
    await inspect(page, "watch-unknown", info);
  });

  test("an address that does not exist answers 404 with a page", async ({ page, complaints }, info) => {
    complaints.expectRefusal(404, /\/nothing-here/);
    expect((await page.goto("/nothing-here"))?.status()).toBe(404);
    await expect(page.getByRole("heading", { name: "There is nothing at this address" })).toBeVisible();
    await inspect(page, "missing", info);
  });

  test("buying: held, a wrong field, a declined card, the receipt and the order", async ({ page, browser, house, complaints }, info) => {
    complaints.expectRefusal(402, /\/orders\//);
    await hold(page);
    await inspect(page, "buy-held", info);
    await fillPayment(page, "4242 4242 4242 4241", { email: "ana@example", name: "" });
    await payButton(page).click();
    await expect(page.getByText("A digit is wrong or missing")).toBeVisible();
    await inspect(page, "buy-wrong-field", info);
    await fillPayment(page, CARDS.declined, { email: "ana@example.com", name: "Ana Gomes" });
    await payButton(page).click();
    await expect(page.getByText("Your bank said no.", { exact: false })).toBeVisible();
    await inspect(page, "buy-declined", info);
    await fillPayment(page, CARDS.pays);
    await payButton(page).click();
    await expect(dialog(page, "It is yours")).toBeVisible();
    await inspect(page, "buy-receipt", info);

    const address = (await page.getByRole("link", { name: "Open your order" }).getAttribute("href")) ?? "";
    const elsewhere = await browser.newContext({ baseURL: house.url });
    await complaints.listen(elsewhere);
    const order = await elsewhere.newPage();
    await order.goto(address);
    await expect(order.getByText("Paid, and yours.", { exact: false }), "its link opens it on any device").toBeVisible();
    await inspect(order, "order", info);
    complaints.expectRefusal(404, /\/api\/v1\/orders\//);
    await order.goto(address.replace(/\?.*/, ""));
    await expect(order.getByRole("heading", { name: "This order cannot be shown" }), "without the link it is nobody's").toBeVisible();
    await inspect(order, "order-of-another", info);
    await elsewhere.close();
  });

  test("a purchase by keyboard alone, with a focus one can see and that comes back to where it was", async ({ page }) => {
    await page.goto(`/s/${demo}`);
    const buy = card(page, PAN).getByRole("button", { name: `Buy ${PAN}` });
    await tabTo(page, buy);
    await page.keyboard.press("Enter");
    const sheet = dialog(page, "Yours, for now");
    await expect(sheet).toBeVisible();
    const typed = [
      ["E-mail for the receipt", "kay@example.com"],
      ["Full name", "Kay Board"],
      ["Street and number", "Via Roma 1"],
      ["Postcode", "20121"],
      ["City", "Milano"],
      ["Card number", "4242424242424242"],
      ["Valid until", "1234"],
      ["Security code", "123"],
    ] as const;
    for (const [label, text] of typed) {
      await tabTo(page, sheet.getByLabel(label));
      await page.keyboard.type(text);
    }
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null), "focus stays in the sheet").toBe(true);
    }
    await tabTo(page, payButton(page));
    await page.keyboard.press("Enter");
    await expect(page.getByText("Your receipt is for kay@example.com")).toBeVisible();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toBeHidden();
    await expect(buy).toBeFocused();
  });

  test("who lets go of a hold can take it again", async ({ page }, info) => {
    await hold(page);
    await page.getByRole("button", { name: "I changed my mind, let it go" }).click();
    await expect(dialog(page, "Your hold has ended")).toBeVisible();
    await inspect(page, "buy-ended-hold", info);
    await page.getByRole("button", { name: "Hold one again" }).click();
    await expect(dialog(page, "Yours, for now")).toBeVisible();
  });

  test("the last one goes to somebody else in the same moment: sold out, in words", async ({ page, browser, house, complaints }, info) => {
    const [creator, other] = await Promise.all([asMara(browser, house.url), browser.newContext({ baseURL: house.url }).then((context) => context.newPage())]);
    const apron = await addProduct(creator, demo, { title: "The last apron", amount: 2600, stock: 1 });
    complaints.expectRefusal(409, /\/holds\//);
    // A page that hears nothing of the room still shows one left.
    await page.routeWebSocket(/\/ws$/, (socket) => void socket.close());
    await page.route(/\/events/, () => undefined); // nor by the stream in its place
    await page.goto(`/s/${demo}`);
    const buy = page.getByRole("button", { name: "Buy The last apron" });
    await expect(buy).toBeVisible();
    await other.goto(`/s/${demo}`);
    await other.getByRole("button", { name: "Buy The last apron" }).click();
    await expect(dialog(other, "Yours, for now")).toBeVisible();
    await buy.click();
    await expect(dialog(page, "Sold out")).toBeVisible();
    await inspect(page, "buy-sold-out", info);
    await Promise.all([creator.context().close(), other.context().close()]);
    expect(apron).toMatch(/^prd_/);
  });

  test("sign-in says what is wrong, and brings to the account", async ({ page, complaints }, info) => {
    complaints.expectRefusal(401, /\/sessions/);
    await page.goto("/signin?next=/account");
    await page.getByLabel("E-mail").fill("mara@demo.rialto");
    await page.getByLabel("Password").fill("not the password");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByText("E-mail and password do not belong together.", { exact: false })).toBeVisible();
    await inspect(page, "signin-wrong", info);
    await page.getByLabel("Password").fill("market-on-a-bridge");
    await page.getByRole("button", { name: "Sign in" }).click();
    await expect(page.getByRole("heading", { name: "Your account" })).toBeVisible();
    await inspect(page, "account", info);
    await page.getByRole("button", { name: "Sign out" }).click();
    await expect(page.getByRole("link", { name: "Sign in" })).toBeVisible();
  });

  test("sign-up stands open to everybody", async ({ page }, info) => {
    await page.goto("/signup");
    await expect(page.getByRole("heading", { name: "Make an account" })).toBeVisible();
    await inspect(page, "signup", info);
  });
});

test.describe("a creator's pages", () => {
  test("the studio asks a guest in, and tells a viewer how to become a creator", async ({ page }, info) => {
    await page.goto("/studio");
    await expect(page.getByRole("heading", { name: "Your stage is one sign-in away" })).toBeVisible();
    await inspect(page, "studio-guest", info);
    await signUp(page, "Vic", ["viewer"]);
    await page.goto("/studio");
    await expect(page.getByRole("heading", { name: "The studio is for creators" })).toBeVisible();
    await inspect(page, "studio-viewer", info);
  });

  test("an empty studio invites, and plans a show", async ({ page }, info) => {
    await page.goto("/");
    await signUp(page, "Nils");
    await page.goto("/studio");
    await expect(page.getByRole("heading", { name: "Your stage is empty" })).toBeVisible();
    await inspect(page, "studio-empty", info);
    await page.getByRole("button", { name: "Plan your first show" }).click();
    await expect(dialog(page, "New show")).toBeVisible();
    await inspect(page, "studio-new-show", info);
    await page.goto(`/studio/${upcoming}`);
    await expect(page.getByRole("heading", { name: "This is somebody else’s show" })).toBeVisible();
    await inspect(page, "studio-foreign", info);
  });

  test("the desk before, during and after the show, and a viewer whose creator's line is gone", async ({ browser, house, complaints, page: viewer }, info) => {
    test.setTimeout(180_000);
    const context = await browser.newContext({ baseURL: house.url, storageState: nora });
    await complaints.listen(context);
    const page = await context.newPage();
    await page.goto("/studio");
    await expect(page.getByRole("region", { name: "Ended" }).getByRole("link", { name: /What was/ })).toBeVisible();
    await inspect(page, "studio-list", info);
    const show = await addShow(page, "A look around the desk");
    await pin(page, show, await addProduct(page, show, { title: PAN, amount: 4900, stock: 4 }));
    await addProduct(page, show, { title: "Cast-iron pan 24 cm", amount: 3400, stock: 1 });
    await page.goto(`/studio/${show}?quality=low`);
    await expect(page.getByText("We hear you.")).toBeVisible();
    await page.getByText("Stream with OBS").click();
    await inspect(page, "studio-before", info);
    await page.getByRole("button", { name: "Edit Cast-iron pan 24 cm" }).click();
    await expect(dialog(page, "Edit product")).toBeVisible();
    await inspect(page, "studio-product", info);
    await goLive(page, show);
    await viewer.goto(`/s/${show}`);
    await expectPicture(viewer, "of the creator's camera");
    await inspect(page, "studio-live", info);
    // No picture to be had yet, no session to end any more, and in the end no show: the viewer's page asks all the same.
    for (const status of [404, 409, 410]) complaints.expectRefusal(status, /\/whep\//);
    await page.close();
    await expect(viewer.getByRole("heading", { name: "Back in a moment" })).toBeVisible({ timeout: 30_000 });
    await inspect(viewer, "watch-dropped", info);
    const again = await context.newPage();
    await goLive(again, show);
    await expectPicture(viewer, "the creator is back", 40_000);
    await endShow(again);
    await expect(again.getByRole("heading", { name: "The show is over" })).toBeVisible();
    await inspect(again, "studio-ended", info);
    await context.close();
  });
});

/** Walks with Tab, as far as a person would. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible();
  for (let i = 0; i < 30; i++) {
    if (await target.evaluate((element) => element === document.activeElement)) {
      const ring = await target.evaluate((element) => {
        const drawn = ({ outlineStyle, boxShadow }: CSSStyleDeclaration): boolean => outlineStyle !== "none" || boxShadow !== "none";
        return [element, element.parentElement ?? element].some((at) => drawn(getComputedStyle(at)));
      });
      expect(ring, `a ring around ${String(target)}`).toBe(true);
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${String(target)}`);
}

async function asMara(browser: Browser, baseURL: string): Promise<Page> {
  const page = await (await browser.newContext({ baseURL })).newPage();
  await page.goto("/");
  await ask(page, "POST", "/sessions", { email: "mara@demo.rialto", password: "market-on-a-bridge" });
  return page;
}
