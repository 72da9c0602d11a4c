// A tap becomes a paid order, in real browsers against the real program: two people and one unit, cards that are declined,
// banks that ask, and a purchase made with the keyboard alone.

import type { Browser, BrowserContext, Locator, Page } from "@playwright/test";
import { newId } from "../app/shared/ids";
import { barriers } from "./fixtures/inspect";
import { expect, test } from "./fixtures/test";
import { CARDS, addProduct, addShow, ask, card, expectPicture, fillPayment, newEmail, payButton, pin, signUp } from "./fixtures/stage";

test.use({ demo: true });
test.describe.configure({ timeout: 90_000 });
test.beforeEach(({ complaints }) => void complaints); // listens in each test

const PAN = "Copper pan 28 cm";

let demo = "";
/** The cookies of a creator, and her show: announced, not on air, and selling already. */
let nora: Awaited<ReturnType<BrowserContext["storageState"]>>;
let shop = "";

test.beforeAll(async ({ browser, house }) => {
  const page = await (await browser.newContext({ baseURL: house.url })).newPage();
  await page.goto("/");
  const live = async (): Promise<string> => (await ask<{ shows: { id: string; on_air: boolean }[] }>(page, "GET", "/shows?state=live")).shows.find((show) => show.on_air)?.id ?? "";
  await expect.poll(async () => (demo = await live()), { message: "the demo show is on air", timeout: 20_000 }).toMatch(/^shw_/);
  await signUp(page, "Nora");
  shop = await addShow(page, "Nora's shop");
  nora = await page.context().storageState();
  await page.context().close();
});

/** A new product on Nora's run sheet, pinned. */
async function stocked(browser: Browser, baseURL: string, title: string, stock: number): Promise<void> {
  const context = await browser.newContext({ baseURL, storageState: nora });
  const page = await context.newPage();
  await page.goto("/");
  await pin(page, shop, await addProduct(page, shop, { title, amount: 4900, stock }));
  await context.close();
}

/** Somebody new, with a browser of their own, at a show. */
async function visitor(browser: Browser, baseURL: string, show: string): Promise<Page> {
  const page = await (await browser.newContext({ baseURL })).newPage();
  await page.goto(`/s/${show}`);
  return page;
}

const sheet = (page: Page, name: string | RegExp): Locator => page.getByRole("dialog", { name });
const buyButton = (page: Page, title: string): Locator => card(page, title).getByRole("button", { name: `Buy ${title}` });
const person = (name: string) => ({ name, email: newEmail(name.split(" ")[0]!) });
const leave = (...pages: Page[]): Promise<unknown> => Promise.all(pages.map((page) => page.context().close()));

test("two browsers race for the last unit: one receipt and one 'sold out', which wakes when the winner lets go instead", async ({ browser, house }) => {
  const title = "The last kettle";
  await stocked(browser, house.url, title, 1);
  const [ana, ben] = await Promise.all([visitor(browser, house.url, shop), visitor(browser, house.url, shop)]);
  await Promise.all([ana, ben].map((page) => expect(buyButton(page, title)).toBeVisible()));
  const at = Date.now() + 500;
  await Promise.all([ana, ben].map((page) => buyButton(page, title).evaluate((button: HTMLElement, at) => void setTimeout(() => button.click(), at - Date.now()), at)));
  const gone = (page: Page): Locator => card(page, title).getByRole("button", { name: `${title} is sold out` });
  // A tap that is a few milliseconds later than the other one's news finds the button asleep: sold out, too.
  const won = async (page: Page): Promise<boolean> => {
    const judged = async (): Promise<boolean> => (await sheet(page, /^(Yours, for now|Sold out)$/).isVisible()) || ((await page.getByRole("dialog").count()) === 0 && (await gone(page).isVisible()));
    await expect.poll(judged).toBe(true);
    return sheet(page, "Yours, for now").isVisible();
  };
  const [anaWon, benWon] = await Promise.all([won(ana), won(ben)]);
  expect([anaWon, benWon].filter(Boolean), "exactly one holds it").toHaveLength(1);
  const [winner, loser] = anaWon ? [ana, ben] : [ben, ana];
  if (await sheet(loser, "Sold out").isVisible()) await loser.getByRole("button", { name: "Back to the show" }).click();
  await expect(gone(loser)).toBeVisible();

  await winner.getByRole("button", { name: "I changed my mind, let it go" }).click();
  await expect(buyButton(loser, title), "it wakes by itself").toBeVisible();
  await buyButton(loser, title).click();
  await fillPayment(loser, CARDS.pays, person("Lou Second"));
  await payButton(loser).click();
  await expect(sheet(loser, "It is yours")).toBeVisible();
  await winner.getByRole("button", { name: "Hold one again" }).click();
  await expect(sheet(winner, "Sold out"), "and now it is gone for good").toBeVisible();
  await leave(ana, ben);
});

test("several things that a program tapped for are one hold, one payment and one receipt", async ({ browser, house }) => {
  const things = ["A pan that comes with it", "A lid that goes with it"];
  for (const title of things) await stocked(browser, house.url, title, 3);
  const page = await visitor(browser, house.url, shop);
  const { products } = await ask<{ products: { title: string; variants: { id: string }[] }[] }>(page, "GET", `/shows/${shop}/products`);
  const lines = things.map((title, i) => ({ variant: products.find((product) => product.title === title)!.variants[0]!.id, quantity: i + 1 }));
  await ask(page, "PUT", `/holds/${newId("hld")}`, { show: shop, lines });
  await page.reload();
  await buyButton(page, things[1]!).click();
  for (const [i, title] of things.entries()) await expect(sheet(page, "Yours, for now").getByText(`${i + 1} × ${title}`)).toBeVisible();
  await fillPayment(page, CARDS.pays, person("Bo Both"));
  await payButton(page).click();
  await expect(page.getByText(`Paid: ${things.join(" and ")} is bought.`)).toBeAttached();
  for (const title of things) await expect(sheet(page, "It is yours").getByRole("term").filter({ hasText: title })).toBeVisible();
  await leave(page);
});

/** Stands between a page and its room, and notes the holds that are tapped for. `cut`: the line breaks with the first answer. */
async function between(page: Page, cut: boolean): Promise<{ joined: boolean; holds: string[] }> {
  const line = { joined: false, holds: [] as string[] };
  const asked = new Set<unknown>();
  await page.routeWebSocket(/\/ws$/, (socket) => {
    const room = socket.connectToServer();
    socket.onMessage((text) => {
      const said = JSON.parse(String(text)) as { call?: string; id?: string; d: { hold: string } };
      if (said.call === "hold.put") {
        line.holds.push(said.d.hold);
        asked.add(said.id);
      }
      room.send(text);
    });
    room.onMessage((text) => {
      const heard = JSON.parse(String(text)) as { t: string; id?: string };
      line.joined ||= heard.t === "joined";
      if (!cut || heard.t !== "reply" || !asked.has(heard.id)) return socket.send(text);
      cut = false;
      void socket.close({ code: 1011 });
    });
  });
  return line;
}

for (const cut of [false, true])
  test(cut ? "a line that breaks between the tap and its answer: one hold, which is paid" : "a tap goes over the room's line, and what follows over HTTP", async ({ browser, house }) => {
    const title = cut ? "Bread tin" : "Pie dish";
    await stocked(browser, house.url, title, 3);
    const other = await visitor(browser, house.url, shop);
    const ana = await (await browser.newContext({ baseURL: house.url })).newPage();
    const line = await between(ana, cut);
    const requested: string[] = [];
    ana.on("request", (request) => {
      const [, id] = /\/holds\/(hld_\w+)$/.exec(request.url()) ?? [];
      if (id && request.method() === "PUT") requested.push(id);
    });
    await ana.goto(`/s/${shop}`);
    await expect.poll(() => line.joined).toBe(true);
    await buyButton(ana, title).click();
    await expect(sheet(ana, "Yours, for now")).toBeVisible();
    await expect(card(other, title).getByText("2 left"), "one, and no second one").toBeVisible();
    expect(line.holds).toHaveLength(1);
    expect(requested, "over HTTP only what was not heard").toEqual(cut ? line.holds : []);
    await fillPayment(ana, CARDS.pays, person("Ana Gomes"));
    await payButton(ana).click();
    await expect(sheet(ana, "It is yours")).toBeVisible();
    await expect(card(other, title).getByText("2 left")).toBeVisible();
    await leave(ana, other);
  });

test("declined, then paid within the same hold: the others see one less, and the creator's revenue rises", async ({ browser, house }) => {
  const title = "Cast-iron pan";
  await stocked(browser, house.url, title, 5);
  const studio = await (await browser.newContext({ baseURL: house.url, storageState: nora })).newPage();
  await studio.goto(`/studio/${shop}`);
  const sales = studio.getByLabel("Sales of this show");
  const number = (name: string): Locator => sales.locator("div", { has: studio.getByText(name, { exact: true }) }).getByRole("definition");
  await expect(number("Sold")).toHaveText(/^\d+$/);
  const before = { sold: Number(await number("Sold").textContent()), revenue: await revenue(number("Revenue")) };

  const [ana, other] = await Promise.all([visitor(browser, house.url, shop), visitor(browser, house.url, shop)]);
  await expect(card(other, title).getByText("5 left")).toBeVisible();
  await buyButton(ana, title).click();
  await expect(card(other, title).getByText("4 left"), "held: one less for everybody else").toBeVisible();
  await expect(number("Held")).toHaveText("1");
  await fillPayment(ana, CARDS.declined, person("Ana Gomes"));
  await payButton(ana).click();
  await expect(ana.getByText(`Your bank said no. ${title} is still held for`)).toBeVisible();
  await expect(number("Sold")).toHaveText(String(before.sold));
  await fillPayment(ana, CARDS.pays);
  await payButton(ana).click();
  await expect(sheet(ana, "It is yours")).toBeVisible();
  await expect(number("Sold")).toHaveText(String(before.sold + 1));
  await expect.poll(() => revenue(number("Revenue")), { message: "the revenue rises" }).toBeGreaterThan(before.revenue);
  await expect(card(other, title).getByText("4 left")).toBeVisible();
  await leave(ana, other, studio);
});

/** "€1,204.50" as 1204.5; nothing sold yet is 0. */
async function revenue(at: Locator): Promise<number> {
  return Number((await at.textContent())?.replace(/[^\d.]/g, "") || 0);
}

test("the order's link opens it on another device, with its costs and where it goes; without it nobody sees it", async ({ browser, house, complaints }) => {
  const title = "Linen apron";
  await stocked(browser, house.url, title, 2);
  const ana = await visitor(browser, house.url, shop);
  await buyButton(ana, title).click();
  await fillPayment(ana, CARDS.pays, person("Ana Gomes"));
  const total = (await payButton(ana).textContent())?.replace("Pay ", "") ?? "";
  await payButton(ana).click();
  await expect(sheet(ana, "It is yours").getByText(total)).toBeVisible();
  const link = (await ana.getByRole("link", { name: "Open your order" }).getAttribute("href")) ?? "";

  const phone = await (await browser.newContext({ baseURL: house.url })).newPage();
  await complaints.listen(phone.context());
  await phone.goto(link);
  await expect(phone.getByText("Paid, and yours.", { exact: false })).toBeVisible();
  const bought = phone.getByRole("region", { name: "What you bought" });
  await expect(bought).toContainText(/Linen apron\s*€49\.00\s*Delivery to Italy/);
  await expect(bought).toContainText(total);
  await expect(phone.getByRole("region", { name: "It goes to" })).toContainText(/Ana Gomes\s*Via Roma 1\s*20121 Milano\s*Italy/);
  await phone.emulateMedia({ media: "print" });
  await expect(phone.getByRole("button", { name: "Print the receipt" })).toBeHidden();
  await expect(bought).toBeVisible();

  complaints.expectRefusal(404, /\/api\/v1\/orders\//);
  await phone.emulateMedia({ media: "screen" });
  await phone.goto(link.slice(0, -4));
  await expect(phone.getByText("The link is cut off or too old.", { exact: false })).toBeVisible();
  await leave(ana, phone);
});

test("the mail that follows a purchase leads to its order, on a device that knows nothing of it", async ({ browser, house }) => {
  const title = "Tea towel";
  await stocked(browser, house.url, title, 2);
  const ana = await visitor(browser, house.url, shop);
  const who = person("Ana Gomes");
  await buyButton(ana, title).click();
  await fillPayment(ana, CARDS.pays, who);
  await payButton(ana).click();
  await expect(sheet(ana, "It is yours")).toBeVisible();
  const read = async (): Promise<{ id: string; to: string }[]> => (await ask<{ mails: { id: string; to: string }[] }>(ana, "GET", "/mailbox")).mails.filter(({ to }) => to.includes(who.email));
  await expect.poll(async () => (await read()).length, { message: "one mail, to the buyer", timeout: 20_000 }).toBe(1);
  const { text } = await ask<{ text: string }>(ana, "GET", `/mailbox/${(await read())[0]!.id}`);
  const link = /https?:\/\/\S+\/orders\/\S+/.exec(text)?.[0] ?? "";
  const phone = await (await browser.newContext()).newPage();
  await phone.goto(link);
  await expect(phone.getByText("Paid, and yours.", { exact: false })).toBeVisible();
  await expect(phone.getByRole("region", { name: "What you bought" })).toContainText(title);
  await leave(ana, phone);
});

test.describe("a card whose bank asks", () => {
  /** Pays with it, and has the bank's own window in hand. */
  async function atTheBank(page: Page, title: string, who: string): Promise<Page> {
    await buyButton(page, title).click();
    await fillPayment(page, CARDS.asksBank, person(who));
    const window = page.waitForEvent("popup");
    await payButton(page).click();
    await expect(sheet(page, "Confirm with your bank")).toBeVisible();
    const bank = await window;
    await expect(bank.getByRole("button", { name: "Confirm" })).toBeVisible();
    return bank;
  }

  test("confirmed beside the running show: the bank's window closes itself, and the receipt is there", async ({ browser, house, complaints }) => {
    const ana = await visitor(browser, house.url, demo);
    await complaints.listen(ana.context());
    await expectPicture(ana, "the demo show");
    const bank = await atTheBank(ana, PAN, "Ana Gomes");
    await expectPicture(ana, "while the bank asks");
    const closed = bank.waitForEvent("close");
    await bank.getByRole("button", { name: "Confirm" }).click();
    await expect(sheet(ana, "It is yours")).toBeVisible();
    await closed;
    await expectPicture(ana, "beside the receipt");
    await leave(ana);
  });

  test("refused: it is still held, and another card pays it", async ({ browser, house }) => {
    const title = "Bread knife";
    await stocked(browser, house.url, title, 1);
    const ana = await visitor(browser, house.url, shop);
    const bank = await atTheBank(ana, title, "Ana Gomes");
    await bank.getByRole("button", { name: "Refuse" }).click();
    await expect(ana.getByText(new RegExp(`Your bank said no\\..* ${title} is still held for`))).toBeVisible();
    await fillPayment(ana, CARDS.pays);
    await payButton(ana).click();
    await expect(sheet(ana, "It is yours")).toBeVisible();
    await leave(ana);
  });

  test("reloaded in between, and seen from a second tab: found again in both, paid once", async ({ browser, house }) => {
    const title = "Chopping board";
    await stocked(browser, house.url, title, 2);
    const ana = await visitor(browser, house.url, shop);
    const bank = await atTheBank(ana, title, "Ana Gomes");
    await ana.reload();
    await card(ana, title).getByRole("button", { name: "Go on paying" }).click();
    await expect(sheet(ana, "Confirm with your bank")).toBeVisible();
    const second = await ana.context().newPage();
    await second.goto(`/s/${shop}`);
    await card(second, title).getByRole("button", { name: "Go on paying" }).click();
    await expect(sheet(second, "Confirm with your bank")).toBeVisible();
    await bank.getByRole("button", { name: "Confirm" }).click();
    await Promise.all([ana, second].map((page) => expect(sheet(page, "It is yours")).toBeVisible()));
    await expect(card(second, title).getByText("1 left")).toBeAttached();
    await leave(ana);
  });
});

test.describe("with the keyboard alone", () => {
  const steps = async (page: Page, keys: string[]): Promise<void> => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const axe = async (page: Page, where: string): Promise<void> => expect(await barriers(page), `axe: ${where}`).toEqual([]);

  /** Walks with Tab, as far as a person would; says what was passed. */
  async function tabTo(page: Page, target: Locator): Promise<string[]> {
    await expect(target).toBeVisible();
    const passed: string[] = [];
    for (let i = 0; i < 40; i++) {
      if (await target.evaluate((element) => element === document.activeElement)) return passed;
      await page.keyboard.press("Tab");
      passed.push(await page.evaluate(() => document.activeElement?.getAttribute("name") ?? document.activeElement?.textContent?.trim() ?? ""));
    }
    throw new Error(`Tab does not lead to ${String(target)}: ${passed.join(", ")}`);
  }

  /** All that live regions have said since, in their order. */
  async function listen(page: Page): Promise<() => Promise<string>> {
    await page.evaluate(() => {
      const said: string[] = [];
      Object.assign(window, { said });
      const hear = (node: Node | null): void => {
        const region = (node instanceof Element ? node : node?.parentElement)?.closest("[aria-live]:not([aria-live=off]), [role=alert], [role=status]");
        if (region?.textContent) said.push(region.textContent);
      };
      new MutationObserver((all) => all.forEach(({ target, addedNodes }) => (hear(target), addedNodes.forEach(hear)))).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    return () => page.evaluate(() => (window as unknown as { said: string[] }).said.join("\n"));
  }

  test("from the page's start to the receipt and the order, declined once on the way", async ({ page, browser, house, complaints }) => {
    complaints.expectRefusal(402, /\/orders\//);
    const title = "Salt mill";
    await stocked(browser, house.url, title, 3);
    await page.goto(`/s/${shop}`);
    const said = await listen(page);
    const buy = card(page, title).getByRole("button", { name: new RegExp(`^Buy ${title}$`) });
    await tabTo(page, buy);
    await page.keyboard.press("Enter");
    const open = sheet(page, "Yours, for now");
    await expect(open).toBeVisible();
    await expect.poll(said).toContain(`${title} is held for you.`);
    await axe(page, "held");

    await tabTo(page, open.getByLabel("E-mail for the receipt"));
    await page.keyboard.type("kay@example.com");
    const order: string[] = [];
    for (const [label, text] of [["Full name", "Kay Board"], ["Country", "Italy"], ["Street and number", "Via Roma 1"], ["Postcode", "20121"], ["City", "Milano"], ["Card number", "4000000000000002"], ["Valid until", "1234"], ["Security code", "123"]] as const) {
      order.push(...(await tabTo(page, open.getByLabel(label))));
      await page.keyboard.type(text);
    }
    expect(order, "as it is read").toEqual(["name", "country", "line1", "Add a line: company, floor, care of", "postcode", "city", "number", "expiry", "cvc"]);
    await expect(open.getByLabel("Country")).toHaveValue("IT");
    await tabTo(page, payButton(page));
    await page.keyboard.press("Enter");
    await expect(page.getByRole("alert")).toContainText("Your bank said no.");
    await expect(payButton(page), "who pressed it is still there").toBeFocused();
    await axe(page, "declined");

    // Backwards to the card: what was typed is replaced by typing.
    for (let i = 0; i < 40 && !(await open.getByLabel("Card number").evaluate((element) => element === document.activeElement)); i++) await page.keyboard.press("Shift+Tab");
    await steps(page, ["Control+A"]);
    await page.keyboard.type("4242424242424242");
    await page.keyboard.press("Enter");
    await expect(sheet(page, "It is yours")).toBeVisible();
    await expect(page.getByRole("heading", { name: "It is yours" }), "the new step is read").toBeFocused();
    await expect.poll(said).toContain(`Paid: ${title} is bought.`);
    await axe(page, "receipt");

    await tabTo(page, page.getByRole("link", { name: "Open your order" }));
    const opened = page.context().waitForEvent("page");
    await page.keyboard.press("Enter");
    const bought = await opened;
    await expect(bought.getByText("Paid, and yours.", { exact: false })).toBeVisible();
    await axe(bought, "order");
    await tabTo(bought, bought.getByRole("button", { name: "Print the receipt" }));
    await bought.close();
    await page.bringToFront();
    await page.keyboard.press("Escape");
    await expect(page.getByRole("dialog")).toBeHidden();
    await expect(buy, "back to where it began").toBeFocused();
  });

  test("through the bank's page and back", async ({ page, browser, house }) => {
    const title = "Pepper mill";
    await stocked(browser, house.url, title, 3);
    await page.goto(`/s/${shop}`);
    await tabTo(page, buyButton(page, title));
    await page.keyboard.press("Enter");
    const open = sheet(page, "Yours, for now");
    for (const [label, text] of [["E-mail for the receipt", "kay@example.com"], ["Full name", "Kay Board"], ["Street and number", "Via Roma 1"], ["Postcode", "20121"], ["City", "Milano"], ["Card number", "4000000000003220"], ["Valid until", "1234"], ["Security code", "123"]] as const) {
      await tabTo(page, open.getByLabel(label));
      await page.keyboard.type(text);
    }
    await expect(payButton(page)).toHaveText(/\d/);
    const opened = page.waitForEvent("popup");
    await page.keyboard.press("Enter");
    const bank = await opened;
    await expect(page.getByRole("heading", { name: "Confirm with your bank" })).toBeFocused();
    await axe(page, "at the bank");
    await tabTo(bank, bank.getByRole("button", { name: "Confirm" }));
    await bank.keyboard.press("Enter");
    await expect(page.getByRole("heading", { name: "It is yours" })).toBeFocused();
  });
});
