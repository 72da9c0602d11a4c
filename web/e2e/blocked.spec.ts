// A viewer whose network lets no WebSocket through: the same show over an event stream, and back to a socket when one opens.

import type { BrowserContext, Page } from "@playwright/test";
import { newId } from "../app/shared/ids";
import { lines, linesOf, noteLines, streamed } from "./fixtures/lines";
import { Office } from "./fixtures/office";
import { CARDS, addProduct, addShow, ask, card, fillPayment, payButton, pin, signUp } from "./fixtures/stage";
import { expect, test } from "./fixtures/test";
import { Wire, type Heard } from "./fixtures/wire";

const KETTLE = "Copper kettle";
const APRON = "Linen apron";

test.describe.configure({ mode: "serial" });

test.describe("WebSockets are blocked", () => {
  const contexts: BrowserContext[] = [];
  let creator: Page;
  let other: Page;
  let wire: Wire;
  let show = "";
  let variant = "";
  let products: { kettle: string; apron: string };

  test.beforeAll(async ({ browser, house }) => {
    test.setTimeout(120_000);
    for (let i = 0; i < 2; i++) contexts.push(await browser.newContext({ baseURL: house.url }));
    [creator, other] = (await Promise.all(contexts.map((context) => context.newPage()))) as [Page, Page];
    wire = new Wire(other);
    await creator.goto("/");
    await signUp(creator, "Nora");
    show = await addShow(creator, "Behind a wall");
    products = {
      kettle: await addProduct(creator, show, { title: KETTLE, amount: 5000, stock: 25 }),
      apron: await addProduct(creator, show, { title: APRON, amount: 2600, stock: 8 }),
    };
    variant = (await ask<{ products: { variants: { id: string }[] }[] }>(creator, "GET", `/shows/${show}/products`)).products[0]!.variants[0]!.id;
    await other.goto(`/s/${show}`);
    await pin(creator, show, products.kettle);
    await expect(card(other, KETTLE)).toBeVisible();
  });
  test.afterAll(() => Promise.all(contexts.map((context) => context.close())));
  /** One viewer, over a socket; who comes beside them is gone again after each test. */
  test.afterEach(({ house }) => expect.poll(() => linesOf(house.admin), { timeout: 20_000 }).toEqual({ all: 1, streams: 0 }));

  test("each socket is closed at once: the show comes over a stream, one can talk and buy, and five seconds offline lose nothing", async ({ page, context, house }) => {
    test.setTimeout(120_000);
    await page.routeWebSocket(/\/ws$/, (socket) => void socket.close({ code: 1011 }));
    await noteLines(page, { sockets: true });
    await page.goto(`/s/${show}`);
    await expect(card(page, KETTLE)).toBeVisible();
    await expect.poll(() => linesOf(house.admin)).toEqual({ all: 2, streams: 1 });
    expect((await lines(page)).sockets, "two sockets were enough to know").toBe(2);
    await follows(page);

    await say(page, "hello from behind the wall");
    await say(other, "we hear you");
    for (const each of [page, other]) for (const words of ["hello from behind the wall", "we hear you"]) await expect(line(each, words)).toHaveCount(1);

    const left = await remaining(page);
    await card(page, KETTLE).getByRole("button", { name: `Buy ${KETTLE}` }).click();
    await fillPayment(page, CARDS.pays, { email: "ana@example.com", name: "Ana Gomes" });
    await payButton(page).click();
    await expect(page.getByRole("link", { name: "Open your order" })).toBeVisible();
    await page.getByRole("button", { name: "Back to the show" }).click();
    await expect(card(page, KETTLE).getByText(`${left - 1} left`)).toBeVisible();

    const before = (await streamed(page)).length;
    await context.setOffline(true);
    await expect(page.getByText("You are offline", { exact: false }).first()).toBeVisible();
    const until = Date.now() + 5_000;
    await pin(creator, show, products.apron);
    await say(other, "said meanwhile");
    await expect(card(other, APRON)).toBeVisible();
    await expect.poll(() => Date.now(), { timeout: 10_000 }).toBeGreaterThan(until);
    await context.setOffline(false);
    await expect(card(page, APRON)).toBeVisible({ timeout: 30_000 });
    await expect(line(page, "said meanwhile")).toHaveCount(1);
    const heard = await streamed(page);
    expect(heard.slice(before).find(({ t }) => t === "joined")?.resumed, "resumed, not started anew").toBe(true);
    const versions = heard.filter(isLossless).map(({ v }) => v!);
    expect(versions, "in order, nothing twice").toEqual([...new Set(versions)].sort((a, b) => a - b));
    const theirs = wire.lossless.filter(({ v }) => v! >= versions[0]!);
    expect(theirs.map(({ t, v }) => `${t} ${v}`), "nothing missing").toEqual(heard.filter(isLossless).map(({ t, v }) => `${t} ${v}`));
    const { most, streams } = await lines(page);
    expect(most, "never two lines at once").toBe(1);
    expect(streams).toBeGreaterThanOrEqual(2);
    await page.goto("about:blank");
  });

  test("a browser without WebSockets: the show comes over a stream at once", async ({ page, house }) => {
    await noteLines(page, { sockets: false });
    await page.goto(`/s/${show}`);
    await pin(creator, show, products.kettle);
    await expect(card(page, KETTLE)).toBeVisible();
    await expect.poll(() => linesOf(house.admin)).toEqual({ all: 2, streams: 1 });
    await follows(page);
    await say(page, "no sockets here");
    await expect(line(other, "no sockets here")).toHaveCount(1);
    expect(await lines(page)).toMatchObject({ most: 1, sockets: 0, streams: 1 });
    await page.goto("about:blank");
  });

  test("an office's proxy opens no tunnel: the stream carries; when it does, the page goes back to a socket by itself", async ({ browser, house }) => {
    test.setTimeout(120_000);
    const office = await Office.open();
    const context = await browser.newContext({ baseURL: house.url, proxy: { server: office.url, bypass: "<-loopback>" } });
    try {
      const page = await context.newPage();
      await page.clock.install();
      await noteLines(page, { sockets: true });
      await page.goto(`/s/${show}`);
      await expect(card(page, KETTLE)).toBeVisible();
      await expect.poll(() => linesOf(house.admin)).toEqual({ all: 2, streams: 1 });
      expect((await lines(page)).sockets, "two sockets were enough to know").toBe(2);
      expect(office.refused, "the browser may try a tunnel more than once").toBeGreaterThanOrEqual(2);
      await follows(page);
      await say(page, "hello from the office");
      await expect(line(other, "hello from the office")).toHaveCount(1);

      await page.reload();
      await expect(line(page, "hello from the office")).toHaveCount(1);
      await expect.poll(() => linesOf(house.admin), { message: "it has been remembered" }).toEqual({ all: 2, streams: 1 });
      expect((await lines(page)).sockets).toBe(0);

      await page.clock.fastForward("10:01");
      await expect.poll(() => lines(page), { message: "it asks again, and goes on by the stream" }).toMatchObject({ sockets: 1, streams: 2 });
      await follows(page);

      office.strict = false;
      await page.clock.fastForward("10:01");
      await expect.poll(() => linesOf(house.admin), { timeout: 20_000 }).toEqual({ all: 2, streams: 0 });
      await follows(page);
      await say(page, "the wall is gone");
      await expect(line(other, "the wall is gone")).toHaveCount(1);
      expect(await lines(page), "never two lines at once").toMatchObject({ most: 1, sockets: 2, streams: 2 });
    } finally {
      await context.close();
      await office.close();
    }
  });

  /** A price and a count that change reach the page. */
  async function follows(page: Page): Promise<void> {
    const flash = newId("fls");
    await ask(creator, "PUT", `/shows/${show}/flash-prices/${flash}`, { variant, amount: 4000, lasts_s: 600 });
    await expect(card(page, KETTLE).getByText("€40.00")).toBeVisible();
    const left = await remaining(page);
    await ask(other, "PUT", `/holds/${newId("hld")}`, { show, variant, quantity: 1 });
    await expect(card(page, KETTLE).getByText(`${left - 1} left`)).toBeVisible();
    await ask(creator, "DELETE", `/shows/${show}/flash-prices/${flash}`);
    await expect(card(page, KETTLE).getByText("€40.00")).toHaveCount(0);
  }
});

const remaining = async (page: Page): Promise<number> => Number(/(\d+) left/.exec(await card(page, KETTLE).innerText())?.[1]);

async function say(page: Page, text: string): Promise<void> {
  const field = page.getByRole("textbox", { name: "Say something" });
  await field.fill(text);
  await field.press("Enter");
}

const line = (page: Page, text: string) => page.getByRole("log").getByRole("listitem").filter({ hasText: text });

/** An event in a frame of its own; ticks, samples and answers are none. */
const isLossless = ({ t, v }: Heard): boolean => v !== undefined && !["joined", "tick", "sample", "pong", "reply", "me"].includes(t);
