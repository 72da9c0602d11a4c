// Order in a running show's chat: a host, a moderator and two viewers. What one does is on everybody's page at once.

import type { BrowserContext, Page } from "@playwright/test";
import { expect, test } from "./fixtures/test";
import { addShow, signUp } from "./fixtures/stage";

test.describe.configure({ mode: "serial" });

test.describe("moderating", () => {
  let contexts: BrowserContext[] = [];
  let host: Page;
  let jo: Page;
  let ana: Page;
  let ben: Page;
  let show = "";
  let email = "";

  test.beforeAll(async ({ browser, house }) => {
    contexts = await Promise.all([0, 1, 2, 3].map(() => browser.newContext({ baseURL: house.url })));
    [host, jo, ana, ben] = (await Promise.all(contexts.map((context) => context.newPage()))) as [Page, Page, Page, Page];
    await host.goto("/");
    await signUp(host, "Mara");
    await jo.goto("/");
    email = await signUp(jo, "Jo", ["viewer"]);
    show = await addShow(host, "Kind words only");
    await host.goto(`/studio/${show}`);
    for (const page of [jo, ana, ben]) {
      await page.goto(`/s/${show}`);
      await expect(field(page)).toBeVisible();
    }
  });
  test.afterAll(() => Promise.all(contexts.map((context) => context.close())));

  test("the host names a moderator, whose open page can moderate then", async () => {
    await say(ben, "hello all");
    await expect(line(jo, "hello all")).toBeVisible();
    await expect(more(jo, "hello all"), "not yet").toHaveCount(0);
    await host.getByText("Rules and moderators").click();
    await host.getByLabel("E-mail of a moderator").fill("nobody@example.com");
    await host.getByRole("button", { name: "Add", exact: true }).click();
    await expect(host.getByText("Ask them to sign up first.")).toBeVisible();
    await host.getByLabel("E-mail of a moderator").fill(email);
    await host.getByRole("button", { name: "Add", exact: true }).click();
    await expect(host.getByText("can moderate this show now.")).toBeVisible();
    await expect(more(jo, "hello all")).toBeVisible();
    await expect(more(ana, "hello all"), "viewers have no such button").toHaveCount(0);
  });

  test("a line is deleted by keyboard alone, and is gone from every page", async () => {
    await say(ben, "buy my pans instead");
    await say(ana, "what a lovely kitchen");
    await expect(line(jo, "what a lovely kitchen")).toBeVisible();
    await more(jo, "what a lovely kitchen").focus();
    await jo.keyboard.press("ArrowUp");
    await expect(more(jo, "buy my pans instead")).toBeFocused();
    await jo.keyboard.press("Enter");
    const remove = jo.getByRole("dialog").getByRole("button", { name: "Delete the line" });
    await remove.focus();
    await jo.keyboard.press("Enter");
    for (const page of [jo, host, ana, ben]) await expect(line(page, "buy my pans instead")).toHaveCount(0);
    await expect(ben.getByText("A moderator took down what you said.")).toBeVisible();
    await expect(jo.locator(":focus"), "the focus is still in the chat").toHaveCount(1);
    await ana.reload();
    await expect(line(ana, "what a lovely kitchen")).toBeVisible();
    await expect(line(ana, "buy my pans instead"), "nor is it shown to who comes later").toHaveCount(0);
  });

  test("a time-out: lines gone, nothing can be said and it says until when; undone, one can again", async () => {
    await say(ben, "so there");
    await act(jo, "so there", "Time out 5 minutes");
    await expect(jo.getByText(/cannot write for 5 minutes/)).toBeVisible();
    for (const page of [jo, host, ana]) await expect(line(page, "so there")).toHaveCount(0);
    await attempt(ben, "let me speak");
    await expect(ben.getByText(/^You cannot write until \d/)).toBeVisible();
    await expect(field(ben), "the words are kept").toHaveValue("let me speak");
    await jo.getByRole("button", { name: "Undo" }).click();
    await expect(ben.getByText(/^You cannot write until/)).toHaveCount(0);
    await field(ben).press("Enter");
    await expect(line(jo, "let me speak")).toBeVisible();
  });

  test("a moderator has nothing to do with the host's lines; the host silences moderators, who read until when", async () => {
    await jo.reload(); // no line is where she was last
    await say(jo, "order, please");
    await say(host, "thank you, Jo");
    await expect(line(jo, "thank you, Jo")).toBeVisible();
    await expect(more(jo, "thank you, Jo")).toHaveCount(0);
    await expect(more(jo, "order, please"), "the last line that one can do something with is where Tab leads").toHaveAttribute("tabindex", "0");
    await act(host, "order, please", "Time out 60 minutes");
    for (const page of [jo, ana]) await expect(line(page, "order, please")).toHaveCount(0);
    await attempt(jo, "/slow 5");
    await expect(jo.getByText(/^You cannot write until \d/)).toBeVisible();
    await expect(field(jo), "the command is kept").toHaveValue("/slow 5");
    await jo.getByRole("tab", { name: "Rules" }).click();
    await jo.getByLabel("Slow mode").selectOption({ label: "One line every 5 seconds" });
    await expect(jo.getByText(/^You have been timed out in this show\. It ends in 1 hour, at \d/)).toBeVisible();
    await expect(jo.getByLabel("Slow mode"), "what holds, not what was picked").toHaveValue("0");
    await expect(jo.getByText("Jo", { exact: true }), "listed as silenced").toBeVisible();
    await expect(jo.getByRole("button", { name: "Let write: Jo" }), "nobody frees themselves").toHaveCount(0);
    await host.getByRole("button", { name: "Let write: Jo" }).click();
    await jo.getByRole("tab", { name: "Chat" }).click();
    await expect(jo.getByText(/^You cannot write until/)).toHaveCount(0);
    await field(jo).fill("");
  });

  test("slow mode: everybody reads it, a viewer waits and sees for how long, the host does not", async () => {
    await host.getByLabel("Slow mode").selectOption({ label: "One line every 5 minutes" });
    for (const page of [ana, ben]) await expect(page.getByText("Slow mode: one line every 5 minutes.")).toBeVisible();
    await attempt(ana, "one");
    await expect(ana.getByText(/^You can write again in \d+ s\.$/), "counted from the last line, which the page does not know any more").toBeVisible();
    await expect(field(ana)).toHaveValue("one");
    await say(host, "please be kind");
    await say(host, "and thank you");
    await expect(line(ben, "and thank you")).toBeVisible();
    await host.getByLabel("Slow mode").selectOption({ label: "Off" });
    await expect(ana.getByText(/^You can write again/)).toHaveCount(0);
    await sent(ana, "one");
  });

  test("commands: found while one types, done, told; a wrong one keeps its words; a viewer has none", async () => {
    await field(host).fill("/sl");
    await expect(host.getByRole("listbox", { name: "Commands" }).getByRole("option")).toHaveCount(1);
    await field(host).press("Tab");
    await expect(field(host)).toHaveValue("/slow ");
    await field(host).pressSequentially("30");
    await sent(host, "/slow 30");
    await expect(ana.getByText("Slow mode: one line every 30 seconds.")).toBeVisible();
    await say(host, "/slow off");
    await expect(ana.getByText(/^Slow mode/)).toHaveCount(0);
    await say(host, "/announce Tea at four");
    await expect(ana.getByText("Tea at four")).toBeVisible();
    await say(host, "/announce off");
    await expect(ana.getByText("Tea at four")).toHaveCount(0);
    await field(host).fill("/pin 99");
    await expect(async () => {
      await field(host).press("Enter");
      await expect(host.getByText("The run sheet has 0 rows.")).toBeVisible({ timeout: 2_000 });
    }, "told once the room has time for it").toPass({ timeout: 20_000 });
    await expect(field(host)).toHaveValue("/pin 99");
    await field(host).fill("");
    await attempt(ana, "/ban Ben");
    await expect(ana.getByText("those are for the host and the moderators")).toBeVisible();
    await expect(field(ana)).toHaveValue("/ban Ben");
    await field(ana).fill("");
    for (const page of [host, jo, ben]) await expect(page.getByRole("log").getByText("/", { exact: false })).toHaveCount(0);
  });

  test("a ban asks first; who is banned is out, and comes back when let in", async () => {
    await act(host, "let me speak", "Ban from the show…");
    const sheet = host.getByRole("dialog", { name: /^Ban / });
    await sheet.getByRole("button", { name: "Keep them" }).click();
    await host.getByRole("dialog").getByRole("button", { name: "Ban from the show…" }).click();
    await sheet.getByRole("button", { name: "Ban", exact: true }).click();
    await expect(ben.getByRole("heading", { name: "You cannot watch this show" })).toBeVisible();
    for (const page of [host, jo, ana]) await expect(line(page, "let me speak")).toHaveCount(0);
    await host.getByRole("button", { name: /^Let in: / }).click();
    await expect(host.getByText(/may come back/)).toBeVisible();
    await ben.reload();
    await expect(field(ben)).toBeVisible();
  });

  test("who did what is written down, for the moderator too", async () => {
    await jo.getByRole("tab", { name: "Rules" }).click();
    await jo.getByRole("button", { name: "Who did what" }).click();
    const log = jo.getByRole("dialog", { name: "Who did what" });
    for (const words of [/^Mara banned /, /^Mara let .+ in again$/, /^Jo timed .+ out$/, /^Jo deleted a line of /, /^Mara made Jo a moderator$/, "buy my pans instead"]) await expect(log.getByText(words).first()).toBeVisible();
    await jo.keyboard.press("Escape");
    await expect(log).toHaveCount(0);
  });

  test("who moderates no more has no more to do with the lines", async () => {
    await say(ana, "bye for now");
    await jo.getByRole("tab", { name: "Chat" }).click();
    await expect(more(jo, "bye for now")).toBeVisible();
    await host.getByRole("button", { name: "Remove: Jo" }).click();
    await expect(more(jo, "bye for now")).toHaveCount(0);
    await expect(jo.getByRole("tab", { name: "Rules" })).toHaveCount(0);
  });
});

const field = (page: Page) => page.getByRole("textbox", { name: "Say something" });
const line = (page: Page, words: string) => page.getByRole("log", { name: "Chat" }).getByRole("listitem").filter({ hasText: words });
const more = (page: Page, words: string) => line(page, words).getByRole("button", { name: /^Moderate / });

async function attempt(page: Page, words: string): Promise<void> {
  await field(page).fill(words);
  await field(page).press("Enter");
}

/** Says it, however often the room asks to wait a little. */
async function say(page: Page, words: string): Promise<void> {
  await field(page).fill(words);
  await sent(page, words);
}

async function sent(page: Page, words: string): Promise<void> {
  const command = words.startsWith("/");
  await expect(async () => {
    if ((await field(page).inputValue()) === words) await field(page).press("Enter");
    await expect(field(page)).toHaveValue("", { timeout: 500 });
    if (command) await expect(page.locator(".composer-did")).not.toBeEmpty({ timeout: 2_000 });
    else await expect(line(page, words).and(page.locator(":not(.chat-sending, .chat-failed)"))).toBeVisible({ timeout: 2_000 });
  }, `${words} is taken`).toPass({ timeout: 30_000 });
}

async function act(page: Page, words: string, name: string): Promise<void> {
  await more(page, words).click();
  await page.getByRole("dialog").getByRole("button", { name }).click();
}
