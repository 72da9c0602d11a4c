// Questions, polls and announcements in a running program: a host at the desk and two viewers, who see the same.

import type { BrowserContext, Page } from "@playwright/test";
import { expect, test } from "./fixtures/test";
import { addShow, signUp } from "./fixtures/stage";

test.describe.configure({ mode: "serial" });

test.describe("talk in a show", () => {
  let contexts: BrowserContext[] = [];
  let host: Page;
  let ana: Page;
  let ben: Page;
  let show = "";
  const viewers = (): Page[] => [ana, ben];

  test.beforeAll(async ({ browser, house }) => {
    contexts = await Promise.all([0, 1, 2].map(() => browser.newContext({ baseURL: house.url })));
    [host, ana, ben] = (await Promise.all(contexts.map((context) => context.newPage()))) as [Page, Page, Page];
    await host.goto("/");
    await signUp(host, "Mara");
    show = await addShow(host, "Ask me anything");
    await host.goto(`/studio/${show}`);
    for (const viewer of viewers()) {
      await viewer.goto(`/s/${show}`);
      await expect(viewer.getByRole("textbox", { name: "Say something" })).toBeVisible();
    }
  });
  test.afterAll(() => Promise.all(contexts.map((context) => context.close())));

  test("one asks, another wants to know it too, and the same words join", async () => {
    await tab(ana, "Questions");
    await expect(ana.getByText("No questions yet")).toBeVisible();
    await ask(ana, "How heavy is it?");
    await expect(row(ana, "How heavy is it?")).toContainText("You asked");
    for (const page of [ben, host]) await expect(page.getByRole("tab", { name: "Questions (1)" })).toBeVisible();
    await tab(ben, "Questions");
    const vote = row(ben, "How heavy is it?").getByRole("button", { name: /^I want to know this too/ });
    await vote.focus();
    await ben.keyboard.press("Enter");
    await expect(vote).toHaveAttribute("aria-pressed", "true");
    await expect(vote, "a list that is read again leaves the focus where it was").toBeFocused();
    await tab(host, "Questions");
    await expect(row(host, "How heavy is it?"), "votes come without another question").toContainText(/\b2 votes/);
    await ask(ben, "how heavy is it");
    await expect(ben.getByText("Others asked this too")).toBeVisible();
    await expect(row(ana, "How heavy is it?")).toContainText("You and 1 other asked");
    await expect(rows(ana)).toHaveCount(1);
  });

  test("what is too short is not sent, and says so beside the field", async () => {
    await ask(ana, "a");
    await expect(ana.getByText("A few words more, please.")).toBeVisible();
    await expect(ana.getByLabel("Your question")).toHaveValue("a");
  });

  test("two questions become one, with the voices of both", async () => {
    await ask(ana, "Will there be lids?");
    await ask(ben, "Do you sell lids for these?");
    await row(host, "Do you sell lids").getByRole("button", { name: /^Merge/ }).click();
    await host.getByRole("dialog").getByRole("button", { name: /^Will there be lids/ }).click();
    await expect(host.getByText("Merged into")).toBeVisible();
    for (const page of [host, ...viewers()]) await expect(row(page, "Do you sell lids")).toHaveCount(0);
    await expect(row(host, "Will there be lids?")).toContainText(/\b2 votes/);
    for (const viewer of viewers()) await expect(row(viewer, "Will there be lids?").getByRole("button", { name: /, 2 votes:/ })).toBeVisible();
    await expect(row(ben, "Will there be lids?"), "it is his too").toContainText("You and 1 other asked");
  });

  test("answered: those who asked are told, in words", async () => {
    await row(host, "How heavy is it?").getByRole("button", { name: /^Answered/ }).click();
    const sheet = host.getByRole("dialog", { name: "Answered" });
    await sheet.getByLabel("The answer in words").fill("1.9 kg, about half of iron.");
    await sheet.getByRole("button", { name: "Mark as answered" }).click();
    await expect(sheet).toHaveCount(0);
    for (const viewer of viewers()) {
      await expect(row(viewer, "How heavy is it?")).toContainText("1.9 kg, about half of iron.");
      await tab(viewer, "Chat");
      await expect(viewer.getByText("You asked: How heavy is it?")).toBeVisible();
      await viewer.getByRole("button", { name: "Put the answer away" }).click();
      await expect(viewer.getByText("You asked: How heavy is it?")).toHaveCount(0);
    }
  });

  test("a question is deleted for everybody", async () => {
    await row(host, "Will there be lids?").getByRole("button", { name: /^Delete/ }).click();
    await host.getByRole("dialog").getByRole("button", { name: "Delete", exact: true }).click();
    await tab(ana, "Questions");
    await expect(row(ana, "Will there be lids?")).toHaveCount(0);
    await expect(row(ana, "How heavy is it?")).toHaveCount(1);
  });

  test("a poll from its opening to its end", async () => {
    await tab(host, "Poll");
    await host.getByLabel("Ask your viewers").fill("Which one next?");
    await host.getByLabel("Choice 1").fill("Copper");
    await host.getByLabel("Choice 2").fill("Iron");
    await host.getByRole("button", { name: "Add a choice" }).click();
    await expect(host.getByRole("textbox", { name: "Choice 3" })).toBeFocused();
    await host.getByRole("textbox", { name: "Choice 3" }).fill("The wok");
    await host.getByLabel("Open for").selectOption({ label: "10 minutes" });
    await host.getByRole("button", { name: "Open the poll" }).click();
    await expect(host.getByRole("region", { name: "Poll" })).toContainText("Which one next?");
    for (const viewer of viewers()) {
      await tab(viewer, "Poll");
      await expect(choice(viewer, "Copper")).not.toContainText("%");
    }
    await choice(ana, "Copper").click();
    await choice(ben, "Iron").click();
    for (const viewer of viewers()) {
      await expect(choice(viewer, "Copper")).toContainText("50 %");
      await expect(choice(viewer, "The wok")).toContainText("0 %");
    }
    await choice(ben, "Copper").click();
    await expect(choice(ana, "Copper")).toContainText("100 %");
    await expect(host.getByRole("region", { name: "Poll" })).toContainText("2 votes");
    await ben.reload();
    await tab(ben, "Poll");
    await expect(choice(ben, "Copper"), "chosen before the reload").toHaveAttribute("aria-pressed", "true");
    await host.getByRole("button", { name: "Close the poll" }).click();
    for (const page of [host, ...viewers()]) await expect(page.getByText(/Copper won with 100 %/).first()).toBeVisible();
    for (const viewer of viewers()) await expect(choice(viewer, "Copper"), "nobody can vote any more").toHaveCount(0);
  });

  test("an announcement is there for all, and put away by one alone until it changes", async () => {
    await host.getByText("Rules and moderators").click();
    await announce("Everything ships free today.");
    for (const viewer of viewers()) {
      await tab(viewer, "Chat");
      await expect(viewer.getByText("Everything ships free today.")).toBeVisible();
    }
    await ana.getByRole("button", { name: "Put the announcement away" }).click();
    await expect(ana.getByText("Everything ships free today.")).toHaveCount(0);
    await ana.reload();
    await expect(ana.getByRole("textbox", { name: "Say something" })).toBeVisible();
    await expect(ana.getByText("Everything ships free today."), "put away stays put away").toHaveCount(0);
    await expect(ben.getByText("Everything ships free today.")).toBeVisible();
    await announce("Only copper ships free now.");
    for (const viewer of viewers()) await expect(viewer.getByText("Only copper ships free now.")).toBeVisible();
    await host.getByRole("button", { name: "Take it off" }).click();
    for (const viewer of viewers()) await expect(viewer.getByText("Only copper ships free now.")).toHaveCount(0);
  });

  async function announce(words: string): Promise<void> {
    await host.getByLabel("Announcement above the chat").fill(words);
    await host.getByRole("button", { name: "Announce", exact: true }).click();
  }
});

const tab = (page: Page, name: string): Promise<void> => page.getByRole("tab", { name: new RegExp(`^${name}`) }).click();
const rows = (page: Page) => page.getByRole("region", { name: "Questions", exact: true }).getByRole("listitem");
const row = (page: Page, words: string) => rows(page).filter({ hasText: words });
const choice = (page: Page, words: string) => page.getByRole("region", { name: "Poll" }).getByRole("button", { name: words });

async function ask(page: Page, words: string): Promise<void> {
  await page.getByLabel("Your question").fill(words);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
}
