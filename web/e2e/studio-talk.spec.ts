// The talk at the host's desk, in states that answers made up for it bring about: everybody can read it, and use it.

import { expect, test, type Page } from "@playwright/test";
import { accessible, Stage, tooSmall } from "./fixtures/desk";
import { inspect } from "./fixtures/inspect";
import { SHOW, said, talk } from "./fixtures/kitchen";
import { problem } from "./fixtures/pages";
import { JO, POLL, QUESTIONS, TALK, announced, asked, asksAll, charge, counted, talkDocument, votes } from "./fixtures/talk-states";

// Each is looked at in every size and colour, beside a camera that runs.
test.describe.configure({ timeout: 180_000 });

const card = (page: Page) => page.getByRole("region", { name: "Chat and questions" });
const lines = (page: Page) => page.getByRole("log", { name: "Chat" }).getByRole("listitem");

async function deskOf(page: Page, before?: (stage: Stage) => void): Promise<Stage> {
  const stage = await new Stage(page).begin();
  stage.recent = talk();
  before?.(stage);
  await stage.desk();
  await expect(lines(page)).toHaveCount(7, { timeout: 30_000 });
  return stage;
}

test("chat with its actions, an announcement and a poll; the rules unfolded; what was done can be undone", async ({ page }, info) => {
  const stage = await deskOf(page, (s) => {
    s.snapshot = [announced(20, "Everything copper ships free."), asksAll(21), votes(22, [3, 2, 1]), counted(3, 2)];
    s.answers[TALK] = { body: charge() };
  });
  await page.getByText("Rules and moderators").click();
  await expect(page.getByText("jo@example.com")).toBeVisible();
  await card(page).scrollIntoViewIfNeeded();
  await inspect(page, "studio-talk", info);
  expect(await tooSmall(page), "touch targets").toEqual([]);
  stage.answers[`PUT /shows/${SHOW}/timeouts/gst_tom`] = { body: {} };
  stage.sample(said("Tom", "rude words", { subject: "gst_tom", at: Date.now() }));
  await page.getByRole("button", { name: "Moderate Tom: rude words" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Time out 60 minutes" }).click();
  await expect(card(page).getByText("Tom cannot write for 1 hour.")).toBeVisible();
  expect(stage.calls.find(({ key }) => key.startsWith("PUT") && key.includes("/timeouts/"))?.body).toEqual({ seconds: 3600, reason: "", name: "Tom" });
  stage.answers[`DELETE /shows/${SHOW}/timeouts/gst_tom`] = { status: 204 };
  await card(page).getByRole("button", { name: "Undo" }).click();
  await expect(card(page).getByText("Tom can write again.")).toBeVisible();
});

test("an action that fails says so where it was asked, and can be tried again", async ({ page }, info) => {
  const stage = await deskOf(page);
  const tom = lines(page).filter({ hasText: "bought two!" });
  const id = (stage.recent[3] as { d: { id: string } }).d.id;
  stage.answers[`DELETE /shows/${SHOW}/lines/${id}`] = problem(500, "internal", "The server had a problem.");
  await tom.getByRole("button").click();
  const sheet = page.getByRole("dialog", { name: "Tom" });
  await sheet.getByRole("button", { name: "Delete the line" }).click();
  await expect(sheet.getByRole("alert")).toContainText("The server had a problem.");
  await inspect(page, "studio-line-failed", info);
  stage.answers[`DELETE /shows/${SHOW}/lines/${id}`] = { status: 204 };
  await sheet.getByRole("button", { name: "Delete the line" }).click();
  await expect(sheet).toHaveCount(0);
  stage.send({ t: "lines.gone", k: "talk", v: 60, d: { lines: [id], authors: [] } });
  await expect(lines(page)).toHaveCount(6);
  expect(stage.calls.find(({ key }) => key.startsWith(`DELETE /shows/${SHOW}/lines/`))?.body).toMatchObject({ name: "Tom", text: "bought two!" });
});

test("arrows walk the lines, and nothing at the desk moves with them; a line that goes hands its focus on", async ({ page }) => {
  const stage = await deskOf(page);
  const dots = lines(page).getByRole("button");
  const chosen = await page.locator(".st-row--on").count();
  await dots.last().focus();
  await page.keyboard.press("ArrowUp");
  await expect(dots.nth(5)).toBeFocused();
  expect(await dots.evaluateAll((all) => all.filter((one) => (one as HTMLElement).tabIndex === 0).length), "one stop for the Tab key").toBe(1);
  const id = await dots.nth(5).getAttribute("data-line");
  stage.send({ t: "lines.gone", k: "talk", v: 60, d: { lines: [id], authors: [] } });
  await expect(lines(page)).toHaveCount(6);
  await expect(dots.nth(5), "the line that took its place").toBeFocused();
  expect(stage.count(`PUT /shows/${SHOW}/pin`)).toBe(0);
  await expect(page.locator(".st-row--on"), "no row of the run sheet was chosen").toHaveCount(chosen);
});

test("questions at the desk: none, failing, a list; merged and answered", async ({ page }, info) => {
  const stage = await deskOf(page, (s) => (s.answers[QUESTIONS] = problem(500, "internal", "The server had a problem.")));
  await page.getByRole("tab", { name: "Questions" }).click();
  await expect(card(page).getByText("The questions did not load")).toBeVisible();
  stage.answers[QUESTIONS] = { body: { items: [], next: null } };
  await card(page).getByRole("button", { name: "Try again" }).click();
  await expect(card(page).getByText("No questions yet")).toBeVisible();
  const items = asked();
  stage.answers[QUESTIONS] = { body: { items, next: null } };
  stage.send(counted(3, 2));
  await expect(card(page).getByRole("listitem")).toHaveCount(5);
  await expect(page.getByRole("tab", { name: "Questions (3)" })).toBeVisible();
  await card(page).scrollIntoViewIfNeeded();
  await inspect(page, "studio-questions", info);
  await card(page).getByRole("button", { name: /^Merge: Will there be lids/ }).click();
  await accessible(page);
  stage.answers[`PUT /shows/${SHOW}/questions/${items[2]!.id}/merge`] = { body: items[0] };
  await page.getByRole("dialog").getByRole("button", { name: /^How heavy/ }).click();
  await expect(page.getByText("Merged into")).toBeVisible();
  expect(stage.calls.find(({ key }) => key.endsWith("/merge"))?.body).toEqual({ into: items[1]!.id });
  await card(page).getByRole("button", { name: /^Answered: How heavy/ }).click();
  stage.answers[`PUT /shows/${SHOW}/questions/${items[1]!.id}/answer`] = problem(500, "internal", "The server had a problem.");
  const words = page.getByRole("dialog").getByLabel("The answer in words");
  await words.fill("1.9 kg");
  stage.answers[QUESTIONS] = { body: { items: items.filter((_, i) => i !== 1), next: null } };
  stage.send(counted(2, 4));
  await expect(card(page).locator(".ask-list > li")).toHaveCount(4);
  await expect(words, "what is typed outlives the row").toHaveValue("1.9 kg");
  await expect(words).toBeFocused();
  await page.getByRole("dialog").getByRole("button", { name: "Mark as answered" }).click();
  await expect(page.getByRole("dialog").getByText("The server had a problem.")).toBeVisible();
  await accessible(page);
  await page.getByRole("dialog").getByRole("button", { name: "Not yet" }).click();
  await expect(page.getByRole("region", { name: "Questions", exact: true }), "its button is gone").toBeFocused();
});

test("a poll is made once though its answer was lost, tallied while it runs, and closed", async ({ page }, info) => {
  const stage = await deskOf(page);
  await page.getByRole("tab", { name: "Poll" }).click();
  await card(page).getByRole("button", { name: "Open the poll" }).click();
  await expect(card(page).getByRole("alert")).toHaveText("Write the question first.");
  await card(page).scrollIntoViewIfNeeded();
  await inspect(page, "studio-poll-new", info);
  await page.getByLabel("Ask your viewers").fill("Which one next?");
  await page.getByLabel("Choice 1").fill("Copper");
  await page.getByLabel("Choice 2").fill("Iron");
  const ids: string[] = [];
  await page.route(/\/api\/v1\/shows\/\w+\/polls\/pll_\w+$/, (route) => {
    ids.push(new URL(route.request().url()).pathname);
    return ids.length === 1 ? route.abort("connectionreset") : route.fulfill({ json: {} });
  });
  await card(page).getByRole("button", { name: "Open the poll" }).click();
  await expect(card(page).getByText("The poll is open.")).toBeVisible();
  expect(ids[1]).toBe(ids[0]);
  stage.send(asksAll(70));
  stage.send(votes(71, [417, 208, 96]));
  await expect(card(page).getByText("417 · 58 %")).toBeVisible();
  await inspect(page, "studio-poll", info);
  stage.answers[`PUT /shows/${SHOW}/polls/${POLL}/close`] = { body: {} };
  await card(page).getByRole("button", { name: "Close the poll" }).click();
  stage.send(asksAll(72, { state: "closed", ends_at: new Date().toISOString() }));
  await expect(card(page).getByText(/The copper one won with 58 %/)).toBeVisible();
  await expect(page.getByLabel("Ask something else")).toBeVisible();
});

test("who did what: failing, then a list with more below", async ({ page }, info) => {
  const stage = await deskOf(page, (s) => (s.answers[TALK] = { body: talkDocument({ leads: true }) }));
  await page.getByText("Rules and moderators").click();
  await expect(page.getByText("Nobody.")).toBeVisible();
  stage.answers[`GET /shows/${SHOW}/audit`] = problem(500, "internal", "The server had a problem.");
  await page.getByRole("button", { name: "Who did what" }).click();
  const log = page.getByRole("dialog", { name: "Who did what" });
  await expect(log.getByRole("alert")).toContainText("The server had a problem.");
  const by = { subject: JO, name: "Jo" };
  const entry = (id: string, action: string, name: string, detail: string) => ({ id, at: new Date().toISOString(), by, action, subject: "", name, detail });
  stage.answers[`GET /shows/${SHOW}/audit`] = { body: { items: [entry("aud_1", "line_removed", "Tom", "buy my pans"), entry("aud_2", "timed_out", "Tom", "300 s")], next: "c" } };
  await log.getByRole("button", { name: "Try again" }).click();
  await expect(log.getByText("Jo deleted a line of Tom")).toBeVisible();
  await inspect(page, "studio-audit", info);
  stage.answers[`GET /shows/${SHOW}/audit`] = { body: { items: [entry("aud_3", "slow_mode_set", "", "30 s")], next: null } };
  await log.getByRole("button", { name: "Show earlier" }).click();
  await expect(log.getByRole("listitem")).toHaveCount(3);
  await expect(log.getByRole("button", { name: "Show earlier" })).toHaveCount(0);
});
