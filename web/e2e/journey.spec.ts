// One show from sign-up to its end, in a real browser against the real program: every step builds on the one before.

import type { BrowserContext, Page } from "@playwright/test";
import { expect, test } from "./fixtures/test";
import { inspect } from "./fixtures/inspect";
import { Line } from "./fixtures/line";
import { CARDS, PASSWORD, card, endShow, expectPicture, expectSound, expectStill, fillPayment, goLive, newEmail, payButton } from "./fixtures/stage";

const KETTLE = "Copper kettle";
const APRON = "Linen apron";

test.describe.configure({ mode: "serial" });

test.describe("the first show", () => {
  let contexts: BrowserContext[] = [];
  let creator: Page;
  let ana: Page;
  let ben: Page;
  let line: Line;
  let show = "";

  test.beforeAll(async ({ browser, house }) => {
    contexts = await Promise.all([1, 2, 3].map(() => browser.newContext({ baseURL: house.url })));
    creator = await contexts[0]!.newPage();
  });
  test.afterAll(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    line?.close();
  });

  test("a new house: home says that nobody is live yet", async ({}, info) => {
    await creator.goto("/");
    await expect(creator.getByRole("heading", { name: "The stage is dark" })).toBeVisible();
    await inspect(creator, "home-empty", info);
  });

  test("someone who never was here signs up as a creator and stands in the studio", async () => {
    await creator.goto("/studio");
    await creator.getByRole("link", { name: "Become a creator" }).click();
    await expect(creator.getByLabel("I want to go live and sell, too"), "who comes from the studio wants to sell").toBeChecked();
    await creator.getByLabel("Your name").fill("Nora");
    await creator.getByLabel("E-mail").fill(newEmail("nora"));
    await creator.getByLabel("Password").fill(PASSWORD);
    await creator.getByRole("button", { name: "Make the account" }).click();
    await expect(creator.getByRole("heading", { name: "My shows" })).toBeVisible();
    await expect(creator).toHaveURL(/\/studio$/);
  });

  test("a creator plans a show, puts two kettles on the run sheet, and is live in two presses", async () => {
    await creator.getByRole("button", { name: "New show" }).click();
    await creator.getByLabel("Name", { exact: true }).fill("Nora's first show");
    await creator.getByRole("button", { name: "Create show" }).click();
    await expect(creator.getByRole("heading", { name: "Nora's first show" })).toBeVisible();
    show = /shw_[0-9a-f]{32}/.exec(creator.url())?.[0] ?? "";

    await addOnThePage(KETTLE, "49.00", "2");
    await addOnThePage(APRON, "26", "5");
    await expect(creator.getByText("€49.00 · 2 left")).toBeVisible();
    await goLive(creator, show);
  });

  test("two viewers without an account see the picture and hear the sound", async () => {
    ana = await contexts[1]!.newPage();
    line = await Line.lay(ana);
    ben = await contexts[2]!.newPage();
    await Promise.all([ana, ben].map((viewer) => viewer.goto(`/s/${show}`)));
    for (const viewer of [ana, ben]) {
      await expect(viewer.getByText("Live", { exact: true })).toBeVisible({ timeout: 20_000 });
      await expectPicture(viewer, "a viewer watches");
      await expectSound(viewer);
    }
  });

  test("a viewer whose line is gone for 5 s gets picture and room back by itself, and has missed nothing", async () => {
    await line.cut();
    await expect(ana.getByText("You are offline", { exact: false }).first()).toBeVisible();
    await expectStill(ana, 5_000);
    await creator.getByRole("button", { name: `Pin ${KETTLE}` }).click();
    await expect(card(ben, KETTLE)).toBeVisible();
    await expect(card(ana, KETTLE), "nothing comes through a line that is cut").toBeHidden();

    await line.mend();
    await expect(card(ana, KETTLE), "what was pinned meanwhile").toBeVisible({ timeout: 30_000 });
    await expectPicture(ana, "the line is back", 30_000);
  });

  test("both viewers see the pinned kettle with what is left of it", async () => {
    for (const viewer of [ana, ben]) {
      await expect(card(viewer, KETTLE).getByText("2 left")).toBeVisible();
      await expect(card(viewer, KETTLE).getByText("€49.00")).toBeVisible();
    }
  });

  test("a double tap on Pay buys once: the receipt stands beside the running video, and the other's count falls", async () => {
    await card(ana, KETTLE).getByRole("button", { name: `Buy ${KETTLE}` }).click();
    await fillPayment(ana, CARDS.pays, { email: "ana@example.com", name: "Ana Gomes" });
    await payButton(ana).dblclick();
    const receipt = ana.getByRole("dialog", { name: "It is yours" });
    await expect(receipt.getByText("Your receipt is for ana@example.com")).toBeVisible({ timeout: 20_000 });
    await expectPicture(ana, "beside the receipt");
    await expect(ana.locator("video")).toBeInViewport({ ratio: 0.3 });
    await expect(card(ben, KETTLE).getByText("1 left")).toBeVisible();
    await expect(sales("Sold")).toHaveText("1");
    await expect(sales("Revenue")).toHaveText("€49.00");

    const opened = ana.waitForEvent("popup");
    await receipt.getByRole("link", { name: "Open your order" }).click();
    await expect((await opened).getByText("Paid, and yours.", { exact: false })).toBeVisible();
    await (await opened).close();
    await receipt.getByRole("button", { name: "Back to the show" }).click();
    await expect(receipt).toBeHidden();
  });

  test("the last one is held: the others read 'Sold out' at once; a declined card keeps the hold, and another card pays it", async () => {
    const asked: { method: string; path: string; hold: string | undefined }[] = [];
    ben.on("request", (request) => {
      const path = new URL(request.url()).pathname;
      if (request.method() === "PUT") asked.push({ method: "PUT", path, hold: (request.postDataJSON() as { hold?: string } | null)?.hold });
    });
    await card(ben, KETTLE).getByRole("button", { name: `Buy ${KETTLE}` }).click();
    await expect(ben.getByRole("dialog", { name: "Yours, for now" })).toBeVisible();
    await expect(card(ana, KETTLE).getByRole("button", { name: `${KETTLE} is sold out` }), "said at once").toBeVisible({ timeout: 3_000 });
    await expect(creator.getByText("€49.00 · sold out")).toBeVisible();

    await fillPayment(ben, CARDS.declined, { email: "ben@example.com", name: "Ben Okafor" });
    await payButton(ben).click();
    await expect(ben.getByText(`Your bank said no. ${KETTLE} is still held for`)).toBeVisible({ timeout: 20_000 });
    await fillPayment(ben, CARDS.pays);
    await payButton(ben).click();
    await expect(ben.getByText("Your receipt is for ben@example.com")).toBeVisible({ timeout: 20_000 });
    await expectPicture(ben, "through a declined and a paid card");

    const orders = asked.filter(({ path }) => path.includes("/orders/"));
    expect(new Set(orders.map(({ path }) => path)).size, "an order per card").toBe(2);
    expect(new Set(orders.map(({ hold }) => hold)).size, "both cards for the same hold").toBe(1);
    await expect(sales("Sold")).toHaveText("2");
    await expect(sales("Revenue")).toHaveText("€98.00");
    await expect(sales("Stock left")).toHaveText("5");
    await ben.getByRole("button", { name: "Back to the show" }).click();
  });

  test("the creator ends the show: camera off, and every viewer reads that it has ended", async () => {
    await endShow(creator);
    await expect(creator.getByRole("heading", { name: "The show is over" })).toBeVisible();
    for (const viewer of [ana, ben]) {
      await expect(viewer.getByRole("heading", { name: "This show has ended" })).toBeVisible();
      await expect(viewer.getByRole("button", { name: /^Buy/ }), "nothing is sold after the end").toHaveCount(0);
    }
    await creator.reload();
    await expect(creator.getByRole("heading", { name: "The show is over" }), "and it stays over").toBeVisible();
    await expect(creator.getByRole("button", { name: "Go live" })).toHaveCount(0);
  });

  const sales = (name: string) => creator.getByLabel("Sales of this show").locator("div", { has: creator.getByText(name, { exact: true }) }).getByRole("definition");

  async function addOnThePage(title: string, price: string, units: string): Promise<void> {
    await creator.getByRole("button", { name: "Add a product" }).first().click();
    const form = creator.getByRole("dialog", { name: "Add a product" });
    await form.getByLabel("Name").fill(title);
    await form.getByLabel("Price in EUR").fill(price);
    await form.getByLabel("Units for this show").fill(units);
    await form.getByRole("button", { name: "Add product" }).click();
    await expect(form).toBeHidden();
  }
});
