// A brand and a creator in one show, in a real browser against the real program: every step builds on the one before.

import { readFileSync } from "node:fs";
import type { BrowserContext, Page } from "@playwright/test";
import { inspect } from "./fixtures/inspect";
import { PASSWORD, addProduct, addShow, newEmail, signUp } from "./fixtures/stage";
import { expect, test } from "./fixtures/test";

test.describe.configure({ mode: "serial" });

test.describe("a brand supplies a show", () => {
  const email = newEmail("brass");
  let contexts: BrowserContext[] = [];
  let brand: Page;
  let creator: Page;
  let show = "";

  test.beforeAll(async ({ browser, house }) => {
    contexts = await Promise.all([1, 2].map(() => browser.newContext({ baseURL: house.url, permissions: ["camera", "microphone"] })));
    [brand, creator] = (await Promise.all(contexts.map((context) => context.newPage()))) as [Page, Page];
    await creator.goto("/");
    await signUp(creator, "Nora", ["viewer", "creator"]);
    show = await addShow(creator, "Tea at Nora's");
    await addProduct(creator, show, { title: "Linen apron", amount: 2600, stock: 5 });
  });
  test.afterAll(() => Promise.all(contexts.map((context) => context.close())));

  const small = () => brand.getByRole("listitem", { name: "1.5 litres", exact: true });
  const row = () => creator.getByRole("listitem").filter({ has: creator.getByText("Whistling kettle", { exact: true }) }).first();

  test("someone who never was here signs up as a brand and stands on its own page", async ({}, info) => {
    await brand.goto("/brand");
    await brand.getByRole("link", { name: "Make a brand account" }).click();
    await expect(brand.getByLabel("I supply products to shows, as a brand"), "who comes from the brand's page supplies").toBeChecked();
    await brand.getByLabel("Your name").fill("Brass & Daughters");
    await brand.getByLabel("E-mail").fill(email);
    await brand.getByLabel("Password").fill(PASSWORD);
    await brand.getByRole("button", { name: "Make the account" }).click();
    await expect(brand).toHaveURL(/\/brand$/);
    await expect(brand.getByText("No show yet")).toBeVisible();
    await inspect(brand, "real-brand-empty", info);
  });

  test("it makes a product with two variants and a picture of its own", async ({}, info) => {
    await brand.getByRole("button", { name: "Make your first product" }).click();
    const form = brand.getByRole("dialog");
    await form.getByLabel("Name").fill("Whistling kettle");
    await form.getByLabel("File of the picture").setInputFiles({ name: "kettle.png", mimeType: "image/png", buffer: await picture(brand) });
    await expect(form.getByRole("button", { name: "Choose another" })).toBeVisible();
    await form.getByLabel("Description").fill("Spun from one sheet, with a beech handle.");
    await form.getByLabel("Price in EUR").fill("69");
    await form.getByRole("button", { name: "Add a variant" }).click();
    await form.getByLabel("Variant", { exact: true }).first().fill("1.5 litres");
    await form.getByLabel("Variant", { exact: true }).last().fill("2.5 litres");
    await form.getByLabel("Price in EUR").last().fill("84,50");
    await form.getByRole("button", { name: "Make the product" }).click();
    await expect(form).toBeHidden();
    await expect(brand.getByText("€69.00 – €84.50")).toBeVisible();
    await brand.reload();
    const image = brand.getByRole("listitem").filter({ hasText: "Whistling kettle" }).locator("img");
    await expect(image).toHaveAttribute("src", /^\/api\/v1\/pictures\//);
    await expect.poll(() => image.evaluate((element: HTMLImageElement) => element.naturalWidth)).toBeGreaterThan(0);
    await inspect(brand, "real-brand-home", info);
  });

  test("the creator invites it by its address; an unknown one is told apart", async () => {
    await creator.goto(`/studio/${show}?quality=low`);
    const card = creator.getByRole("region", { name: "Brands of this show" });
    await card.getByLabel("E-mail of a brand").fill("nobody@example.com");
    await card.getByRole("button", { name: "Invite" }).click();
    await expect(card.getByText("Ask them to make a brand account first.")).toBeVisible();
    await card.getByLabel("E-mail of a brand").fill(email);
    await card.getByRole("button", { name: "Invite" }).click();
    await expect(card.getByRole("listitem")).toContainText("Brass & Daughters");
  });

  test("it stocks the show, and the run sheet has the kettle without a reload", async ({}, info) => {
    await brand.reload();
    await brand.getByRole("link", { name: /Tea at Nora's/ }).click();
    await small().getByLabel("Units for this show: 1.5 litres").fill("12");
    await brand.keyboard.press("Enter");
    await expect(small().getByText("Saved: 12 units.")).toBeVisible();
    await expect(small().getByRole("definition")).toHaveText(["12", "0", "12"]);
    await expect(row()).toContainText("12 left");
    await expect(row()).toContainText("from Brass & Daughters");
    await expect(creator.getByRole("button", { name: "Edit Whistling kettle" })).toHaveCount(0);
    await expect(creator.getByRole("button", { name: "Edit Linen apron" })).toBeVisible();
    await inspect(brand, "real-brand-show", info);
  });

  test("it schedules a release, moves it, and opens it; both pages follow", async ({}, info) => {
    await small().getByRole("button", { name: "Schedule a release: 1.5 litres" }).click();
    const form = brand.getByRole("dialog");
    await form.getByLabel("Opens at").fill(await localTime(brand, 1_800_000));
    await form.getByRole("button", { name: "Schedule it" }).click();
    await expect(small()).toContainText(/Opens in (30:00|29:\d\d)/);
    await expect(row()).toContainText(/Opens in (30:00|29:\d\d)/);
    await inspect(brand, "real-brand-scheduled", info);
    await brand.reload();
    await small().getByRole("button", { name: "Change the release: 1.5 litres" }).click();
    await form.getByLabel("Opens at").fill(await localTime(brand, 3_000_000));
    await form.getByRole("button", { name: "Move the release" }).click();
    await expect(small()).toContainText(/Opens in (50:00|49:\d\d)/);
    await expect(row()).toContainText(/Opens in (50:00|49:\d\d)/);
    await small().getByRole("button", { name: "Open now: 1.5 litres" }).click();
    await expect(small()).not.toContainText("Opens in");
    await expect(row()).not.toContainText("Opens in");
  });

  test("the creator pins it and sets a flash price by key; the brand sees it, and its end", async ({}, info) => {
    await row().getByRole("button", { name: "Pin Whistling kettle" }).click();
    await expect(brand.getByText("On stage now")).toBeVisible();
    await creator.keyboard.press("2");
    await expect(row()).toContainText("€55.20");
    await expect(small()).toContainText("€55.20 flash price");
    await inspect(creator, "real-studio-flash", info);
    await creator.keyboard.press("e");
    await expect(small()).not.toContainText("flash price");
    await expect(row()).not.toContainText("€55.20");
  });

  test("once removed it cannot change the show, and reads why", async () => {
    await creator.getByRole("button", { name: "Remove Brass & Daughters" }).click();
    await creator.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await expect(creator.getByRole("region", { name: "Brands of this show" }).getByRole("listitem")).toHaveCount(0);
    await small().getByLabel("New total of units: 1.5 litres").fill("30");
    await brand.keyboard.press("Enter");
    await expect(small().getByText("Not saved.", { exact: false })).toBeVisible();
    await brand.reload();
    await expect(brand.getByRole("heading", { name: "You do not supply this show" })).toBeVisible();
  });
});

/** What a datetime-local input takes, so many ms from now. */
const localTime = (page: Page, ms: number): Promise<string> =>
  page.evaluate((ms) => {
    const at = new Date(Date.now() + ms);
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  }, ms);

/** A drawing of ours as a camera would give it. */
async function picture(page: Page): Promise<Buffer> {
  const svg = readFileSync(new URL("../app/public/img/copper-pan.svg", import.meta.url), "utf8");
  const bytes = await page.evaluate(async (svg) => {
    const image = new Image();
    image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 600;
    canvas.getContext("2d")!.drawImage(image, 0, 0, 600, 600);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    return [...new Uint8Array(await blob!.arrayBuffer())];
  }, svg);
  return Buffer.from(bytes);
}
