// The brand's pages in every state a brand can meet, with a shop made of answers. A whole way through the real program is in
// brand.spec.ts.

import { expect, test, type Page } from "@playwright/test";
import type { BrandProduct, Drop, Product } from "../app/shared/api";
import { tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { BRASS, brass, catalog, guest, KETTLE, kettle, LARGE_KETTLE, mara, show, SHOW, SMALL_KETTLE, stockedKettle } from "./fixtures/kitchen";
import { ORIGIN, problem, Shop } from "./fixtures/pages";

// Where the browser is: the server thinks in UTC, and the page says both.
test.use({ timezoneId: "Europe/Berlin" });

const soon = (ms: number): string => new Date(Date.now() + ms).toISOString();
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

class Brand extends Shop {
  products: BrandProduct[] = [kettle()];
  sheet: Product[] = [...catalog().products, stockedKettle()];
  version = 10;
  readonly drops: { id: string; body: { variant: string; opens_at: string | null } }[] = [];

  async begin(): Promise<this> {
    await this.start();
    this.answers["GET /me"] = { body: brass() };
    this.answers["GET /products/mine"] = () => ({ body: { products: this.products, next: null } });
    this.answers["GET /shows/supplied"] = { body: { shows: [show(), show({ id: `${SHOW.slice(0, -1)}b`, title: "Sunday roast", state: "scheduled", on_air: false, poster: null, starts_at: soon(3 * 86_400_000) })], next: null } };
    this.answers[`GET /shows/${SHOW}`] = { body: show() };
    this.answers[`GET /shows/${SHOW}/products`] = () => ({ body: catalog({ products: this.sheet, version: this.version }) });
    await this.page.route(`${ORIGIN}/api/v1/shows/${SHOW}/drops/*`, (route) => {
      const id = new URL(route.request().url()).pathname.split("/").pop()!;
      const body = route.request().postDataJSON() as { variant: string; opens_at: string | null };
      this.drops.push({ id, body });
      return route.fulfill({ json: { id, show: SHOW, ...body } satisfies Drop });
    });
    return this;
  }

  async shelf(): Promise<void> {
    await this.open(`/brand/${SHOW}`);
    await expect(this.page.getByRole("heading", { name: "Whistling kettle" })).toBeVisible();
    await expect.poll(() => this.heard.some(({ t }) => t === "join")).toBe(true);
  }
}

const item = (page: Page, name: string) => page.getByRole("listitem", { name, exact: true });

test.afterEach(async ({ page }) => {
  expect(await tooSmall(page), "touch targets").toEqual([]);
});

test("a guest and a viewer read how to become a brand", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  brand.answers["GET /me"] = { body: guest() };
  await brand.open("/brand");
  await expect(page.getByRole("link", { name: "Sign in" })).toHaveAttribute("href", "/signin?next=%2Fbrand");
  await expect(page.getByRole("link", { name: "Make a brand account" })).toHaveAttribute("href", "/signup?role=brand&next=%2Fbrand");
  await inspect(page, "brand-guest", info);
  brand.answers["GET /me"] = { body: mara() };
  await page.reload();
  await expect(page.getByRole("heading", { name: "This page is for brands" })).toBeVisible();
  await inspect(page, "brand-forbidden", info);
  brand.answers["GET /me"] = problem(503, "unavailable", "The server is busy.");
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("The server is busy.");
});

test("loading, then nothing yet: no shows, no products", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  brand.answers["GET /products/mine"] = { afterMs: 30_000 };
  brand.answers["GET /shows/supplied"] = { afterMs: 30_000 };
  await brand.open("/brand");
  await expect(page.getByText("Loading").first()).toBeAttached();
  await inspect(page, "brand-loading", info);
  brand.answers["GET /products/mine"] = { body: { products: [], next: null } };
  brand.answers["GET /shows/supplied"] = { body: { shows: [], next: null } };
  await page.reload();
  await expect(page.getByText("No show yet")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Nothing on the shelf yet" })).toBeVisible();
  await inspect(page, "brand-empty", info);
});

test("a list that fails says so and can be tried again; more comes page by page and stays when the next fails", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  brand.answers["GET /products/mine"] = problem(500, "internal", "The server had a problem.");
  await brand.open("/brand");
  await expect(page.getByRole("alert")).toContainText("The server had a problem.");
  await expect(page.getByRole("link", { name: /Mara's kitchen/ }), "one list's trouble is not the other's").toBeVisible();
  await inspect(page, "brand-failed", info);
  const more = kettle({ id: `${KETTLE.slice(0, -1)}9`, title: "Sugar bowl", image: "" });
  brand.answers["GET /products/mine"] = (route) => (route.request().url().includes("cursor=c2") ? problem(500, "internal", "Again.") : { body: { products: brand.products, next: "c2" } });
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("button", { name: "More products" }).click();
  await expect(page.getByText("The rest did not load.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Whistling kettle" })).toBeVisible();
  brand.answers["GET /products/mine"] = { body: { products: [more, kettle()], next: null } };
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Sugar bowl" })).toBeVisible();
  await expect(page.getByRole("heading", { name: "Whistling kettle" }), "nothing twice").toHaveCount(1);
  await inspect(page, "brand-home", info);
});

test("offline is said; what failed for want of a line loads by itself", async ({ page, context }, info) => {
  const brand = await new Brand(page).begin();
  brand.answers["GET /products/mine"] = { lost: true };
  await brand.open("/brand");
  await expect(page.getByRole("alert")).toBeVisible();
  await context.setOffline(true);
  await expect(page.getByText("This device is offline.")).toBeVisible();
  await inspect(page, "brand-offline", info);
  brand.answers["GET /products/mine"] = { body: { products: brand.products, next: null } };
  await context.setOffline(false);
  await expect(page.getByRole("heading", { name: "Whistling kettle" })).toBeVisible();
});

test("a product with a picture and two variants: complaints, a lost answer, saved once", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  await brand.open("/brand");
  await page.getByRole("button", { name: "New product" }).click();
  const form = page.getByRole("dialog", { name: "New product" });
  await form.getByRole("button", { name: "Make the product" }).click();
  await expect(form.getByText("Give it a name viewers will recognise.")).toBeVisible();
  await expect(form.getByLabel("Name")).toBeFocused();
  await form.getByLabel("Name").fill("Milk pot");
  await form.getByRole("button", { name: "Add a variant" }).click();
  await form.getByLabel("Price in EUR").first().fill("29,50");
  await form.getByLabel("Price in EUR").last().fill("36");
  await form.getByRole("button", { name: "Make the product" }).click();
  await expect(form.getByText("Say what tells it from the others.").first()).toBeVisible();
  await inspect(page, "brand-editor-wrong", info);
  await form.getByLabel("Variant", { exact: true }).first().fill("Small");
  await form.getByLabel("Variant", { exact: true }).last().fill("Large");

  const keys: string[] = [];
  brand.answers["POST /pictures"] = async (route) => {
    keys.push((await route.request().headerValue("idempotency-key")) ?? "");
    expect(await route.request().headerValue("content-type")).toBe("image/png");
    return keys.length < 4 ? { lost: true } : { status: 201, body: { image: "/img/copper-pan.svg" } };
  };
  await form.getByLabel("File of the picture").setInputFiles({ name: "pot.png", mimeType: "image/png", buffer: PNG });
  await expect(form.getByRole("alert")).toContainText("The picture is not saved.");
  await form.getByRole("button", { name: "Try again" }).click();
  await expect(form.getByRole("alert")).toBeHidden();
  expect(new Set(keys).size, "one picture, one key").toBe(1);
  await expect(form.getByRole("img", { name: "The product’s picture" })).toBeVisible();
  await inspect(page, "brand-editor", info);
  await expect(form.getByRole("button", { name: "Make the product" }), "in sight however much is above it").toBeInViewport({ ratio: 1 });

  const asked: { path: string; body: unknown }[] = [];
  await page.route(`${ORIGIN}/api/v1/products/prd_*`, (route) => {
    const body = route.request().postDataJSON() as object;
    const id = new URL(route.request().url()).pathname.split("/").pop()!;
    asked.push({ path: id, body });
    return asked.length <= 3 ? route.abort("connectionreset") : route.fulfill({ status: 201, json: { ...body, id, owner: { id: BRASS, name: "Brass & Daughters" } } });
  });
  await form.getByRole("button", { name: "Make the product" }).click();
  await expect(form.getByText("Not saved.", { exact: false })).toBeVisible();
  await form.getByRole("button", { name: "Make the product" }).click();
  await expect(form).toBeHidden();
  await expect(page.getByText("Milk pot is saved.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Milk pot" })).toBeVisible();
  await expect(page.getByText("€29.50 – €36.00")).toBeVisible();
  expect(new Set(asked.map((each) => JSON.stringify(each))).size, "one id, one body").toBe(1);
  expect(brand.violations).toEqual([]);
  expect(brand.errors).toEqual([]);
});

test("what is no picture is told, and what is too large is drawn smaller", async ({ page }) => {
  const brand = await new Brand(page).begin();
  await brand.open("/brand");
  await page.getByRole("button", { name: "Edit Whistling kettle" }).click();
  const form = page.getByRole("dialog", { name: "Edit product" });
  const file = form.getByLabel("File of the picture");
  await file.setInputFiles({ name: "list.txt", mimeType: "text/plain", buffer: Buffer.from("kettles") });
  await expect(form.getByRole("alert")).toHaveText("Choose a picture: PNG, JPEG or WebP.");
  await file.setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: PNG.subarray(0, 30) });
  await expect(form.getByRole("alert")).toContainText("This browser cannot read that picture.");
  let sent: { kind: string | null; bytes: number } | null = null;
  brand.answers["POST /pictures"] = async (route) => {
    sent = { kind: await route.request().headerValue("content-type"), bytes: route.request().postDataBuffer()?.length ?? 0 };
    return { status: 201, body: { image: "/img/apron.svg" } };
  };
  const large = await page.evaluate(async () => {
    const canvas = document.createElement("canvas");
    canvas.width = 5_000;
    canvas.height = 40;
    const ink = canvas.getContext("2d")!;
    for (let x = 0; x < 5_000; x += 10) {
      ink.fillStyle = `hsl(${x % 360} 80% 50%)`;
      ink.fillRect(x, 0, 10, 40);
    }
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    return [...new Uint8Array(await blob!.arrayBuffer())];
  });
  await file.setInputFiles({ name: "wide.png", mimeType: "image/png", buffer: Buffer.from(large) });
  await expect.poll(() => sent?.kind).toBe("image/webp");
  await expect(form.getByRole("button", { name: "Save", exact: true })).toBeVisible();
});

test("what is typed is not lost by a slip: leaving asks once", async ({ page }) => {
  const brand = await new Brand(page).begin();
  await brand.open("/brand");
  await page.getByRole("button", { name: "Edit Whistling kettle" }).click();
  const form = page.getByRole("dialog", { name: "Edit product" });
  await page.keyboard.press("Escape");
  await expect(form, "nothing typed, nothing asked").toBeHidden();
  await page.getByRole("button", { name: "Edit Whistling kettle" }).click();
  await form.getByLabel("Price in EUR").first().fill("75");
  await page.keyboard.press("Escape");
  await form.getByRole("button", { name: "Go on editing" }).click();
  await expect(form.getByLabel("Price in EUR").first()).toHaveValue("75");
  await page.keyboard.press("Escape");
  await form.getByRole("button", { name: "Leave" }).click();
  await expect(form).toBeHidden();
  expect(brand.calls.filter(({ key }) => key.startsWith("PUT"))).toEqual([]);
});

test("stock of a show: put in, set, refused in words; what is left follows the room", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  brand.sheet = catalog().products;
  await brand.shelf();
  const small = item(page, "1.5 litres");
  await expect(small).toContainText("No units in this show");
  await small.getByRole("button", { name: "Put in the show: 1.5 litres" }).click();
  await expect(small.getByText("A whole number, 0 or more.")).toBeVisible();
  brand.answers[`PUT /shows/${SHOW}/stock/${SMALL_KETTLE}`] = () => {
    brand.sheet = [...catalog().products, stockedKettle()];
    brand.version = 11;
    return { body: stockedKettle() };
  };
  await small.getByLabel("Units for this show: 1.5 litres").fill("20");
  await page.keyboard.press("Enter");
  await expect(small.getByText("Saved: 20 units.")).toBeVisible();
  await expect(small.getByRole("definition")).toHaveText(["18", "2", "20"]);
  expect(brand.calls.find(({ key }) => key.startsWith("PUT"))?.body).toEqual({ units: 20 });
  brand.send({ t: "stock.set", k: SMALL_KETTLE, v: 30, d: { variant: SMALL_KETTLE, pool: "pol_1", left: 7, flash_left: null } });
  await expect(small.getByRole("definition")).toHaveText(["7", "13", "20"]);
  brand.send({ t: "stock.set", k: SMALL_KETTLE, v: 29, d: { variant: SMALL_KETTLE, pool: "pol_1", left: 9, flash_left: null } });
  brand.send({ t: "pin.set", k: "pin", v: 31, d: { product: KETTLE } });
  await expect(page.getByText("On stage now")).toBeVisible();
  await expect(small.getByRole("definition"), "older news change nothing").toHaveText(["7", "13", "20"]);
  brand.send({ t: "price.set", k: SMALL_KETTLE, v: 32, d: { variant: SMALL_KETTLE, amount: 6900, currency: "EUR", flash: { id: "fls_1", amount: 5520, starts_at: soon(-1_000), ends_at: soon(120_000), cap: 0 } } });
  await expect(small).toContainText("€55.20 flash price");
  brand.answers[`PUT /shows/${SHOW}/stock/${SMALL_KETTLE}`] = problem(409, "stock_taken", "13 units are held or sold already; set at least that many.");
  await small.getByLabel("New total of units: 1.5 litres").fill("5");
  await small.getByRole("button", { name: "Set units: 1.5 litres" }).click();
  await expect(small.getByText("Not saved. 13 units are held or sold already; set at least that many.")).toBeVisible();
  await inspect(page, "brand-show", info);
});

test("a release: planned in the own time zone, moved under the same id, opened by the clock and by hand", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  await brand.shelf();
  const small = item(page, "1.5 litres");
  await small.getByRole("button", { name: "Schedule a release: 1.5 litres" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Opens at").fill("2020-01-01T10:00:00");
  await form.getByRole("button", { name: "Schedule it" }).click();
  await expect(form.getByText("This moment has passed.")).toBeVisible();
  const local = await page.evaluate(() => {
    const at = new Date(Date.now() + 3_700_000);
    return { typed: new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19), at: Math.floor(at.getTime() / 1000) * 1000 };
  });
  await form.getByLabel("Opens at").fill(local.typed);
  await expect(form.getByText(/In your time: Central European (Standard|Summer) Time \(Europe\/Berlin\)\./)).toBeVisible();
  await expect(form.getByText(/Opens in 1:01:\d\d, by the server’s clock/)).toBeVisible();
  await inspect(page, "brand-release", info);
  await form.getByRole("button", { name: "Schedule it" }).click();
  await expect(small).toContainText(/Opens in 1:01:\d\d/);
  expect(Date.parse(brand.drops[0]!.body.opens_at!)).toBe(local.at);
  await inspect(page, "brand-scheduled", info);

  await small.getByRole("button", { name: "Change the release: 1.5 litres" }).click();
  await form.getByRole("button", { name: "Cancel" }).click();
  await small.getByRole("button", { name: "Open now: 1.5 litres" }).click();
  await expect(small).toContainText("No release planned");
  expect(brand.drops.map(({ body }) => body.opens_at !== null)).toEqual([true, false]);
  expect(new Set(brand.drops.map(({ id }) => id)).size, "one release, one id").toBe(1);

  brand.send({ t: "drop.set", k: LARGE_KETTLE, v: 40, d: { variant: LARGE_KETTLE, drop: "drp_other", opens_at: soon(2_500) } });
  const large = item(page, "2.5 litres");
  await expect(large).toContainText("Opens in 0:0");
  await expect(large.getByText("Open", { exact: true }), "at its time, by the clock alone").toBeVisible();
});

test("a show of others, none at all, one that is over, one whose room is lost", async ({ page }, info) => {
  const brand = await new Brand(page).begin();
  brand.answers["GET /shows/supplied"] = { body: { shows: [], next: null } };
  await brand.open(`/brand/${SHOW}`);
  await expect(page.getByRole("heading", { name: "You do not supply this show" })).toBeVisible();
  await inspect(page, "brand-foreign", info);
  brand.answers[`GET /shows/${SHOW}`] = problem(404, "show_unknown", "There is no such show.");
  await page.reload();
  await expect(page.getByRole("heading", { name: "This show does not exist" })).toBeVisible();
  brand.answers[`GET /shows/${SHOW}`] = problem(503, "unavailable", "Busy.");
  await page.reload();
  await expect(page.getByRole("alert")).toContainText("Busy.");
  brand.answers["GET /shows/supplied"] = { body: { shows: [show()], next: null } };
  brand.answers[`GET /shows/${SHOW}`] = { body: show() };
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByRole("heading", { name: "Whistling kettle" })).toBeVisible();
  await expect.poll(() => brand.sockets.length).toBe(1);
  brand.roomUp = false;
  await Promise.all(brand.sockets.map((socket) => socket.close({ code: 1011 })));
  await expect(page.getByText("The line to the show is down.", { exact: false })).toBeVisible();
  await inspect(page, "brand-room-lost", info);
  brand.roomUp = true;
  // Pressed until there is a line: after sockets that would not open one attempt takes the stream, which nobody serves here.
  await expect(async () => {
    if (brand.sockets.length === 0) await page.getByRole("button", { name: "Try now" }).click({ timeout: 1_000 });
    expect(brand.sockets).toHaveLength(1);
  }).toPass({ timeout: 30_000 });
  await expect(page.getByText("The line to the show is down.", { exact: false })).toBeHidden();
  brand.send({ t: "show.state", k: "show", v: 50, d: { ...show({ state: "ended", on_air: false, ended_at: soon(0) }) } });
  await expect(page.getByText("This show has ended.", { exact: false })).toBeVisible();
  await expect(page.getByRole("button", { name: /Set units|Schedule|Put in/ })).toHaveCount(0);
  brand.products = [];
  await page.reload();
  await expect(page.getByText("Nothing to put in yet")).toBeVisible();
});
