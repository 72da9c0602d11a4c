// The studio's pages in every state a creator can meet, and axe on each. The picture goes to a second end in this browser.

import { expect, test } from "@playwright/test";
import { accessible, Stage, tooSmall } from "./fixtures/desk";
import { guest, mara, PAN, PAN_VARIANT, SHOW } from "./fixtures/kitchen";
import { ORIGIN, problem } from "./fixtures/pages";

const IRON = "prd_00000000000000000000000000000004";

test("a guest and a viewer are shown the way in", async ({ page }) => {
  const stage = await new Stage(page).begin();
  stage.answers["GET /me"] = { body: guest() };
  await stage.open(`/studio/${SHOW}`);
  await expect(page.getByRole("link", { name: "Sign in" })).toHaveAttribute("href", `/signin?next=${encodeURIComponent(`/studio/${SHOW}`)}`);
  await accessible(page);
  stage.answers["GET /me"] = { body: { ...mara(), account: { ...mara().account!, roles: ["viewer"] } } };
  await page.reload();
  await expect(page.getByRole("heading", { name: "The studio is for creators" })).toBeVisible();
  await accessible(page);
});

test("the list: failing, empty, then a show made once although its answer was lost", async ({ page }) => {
  const stage = await new Stage(page).begin();
  stage.answers["GET /shows/mine"] = problem(500, "internal", "The server had a problem.");
  await stage.open("/studio");
  await expect(page.getByRole("alert")).toContainText("The server had a problem.");
  stage.answers["GET /shows/mine"] = { body: { shows: [], next: null } };
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("button", { name: "Plan your first show" }).click();
  await page.getByRole("button", { name: "Create show" }).click();
  await expect(page.getByText("Give the show a name.")).toBeVisible();
  await accessible(page);
  const ids: string[] = [];
  await page.route(`${ORIGIN}/api/v1/shows/shw_*`, (route) => {
    ids.push(new URL(route.request().url()).pathname.split("/").pop()!);
    return ids.length === 1 ? route.abort("connectionreset") : route.fulfill({ json: { ...stage.show, id: ids[0] } });
  });
  await page.getByLabel("Name").fill("Knife evening");
  await page.getByRole("button", { name: "Create show" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("cannot be reached");
  await page.getByRole("button", { name: "Create show" }).click();
  await page.waitForURL(/\/studio\/shw_[0-9a-f]{32}$/);
  expect(ids[1]).toBe(ids[0]);
});

test("somebody else's show, and none at all", async ({ page }) => {
  const stage = await new Stage(page).begin();
  stage.show = { ...stage.show, creator: { id: "acc_other", name: "Jonas" } };
  await stage.desk();
  await expect(page.getByRole("heading", { name: "This is somebody else’s show" })).toBeVisible();
  expect(stage.count(`GET /shows/${SHOW}/sales`)).toBe(0);
  stage.answers[`GET /shows/${SHOW}`] = problem(404, "show_unknown", "There is no such show.");
  await page.reload();
  await expect(page.getByRole("heading", { name: "This show does not exist" })).toBeVisible();
  await accessible(page);
});

for (const [width, scheme] of [[320, "light"], [375, "dark"], [1280, "light"], [1280, "dark"]] as const)
  test(`before and while live at ${width} px, ${scheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: 800 });
    const stage = await new Stage(page).begin();
    await stage.desk();
    await expect(page.getByText("We hear you.")).toBeVisible({ timeout: 20_000 });
    await accessible(page);
    await page.getByRole("button", { name: "Go live" }).click();
    await expect(page.getByText("LIVE")).toBeVisible({ timeout: 20_000 });
    await page.getByText("Devices and line").click();
    await expect(page.getByText("good line")).toBeVisible({ timeout: 20_000 });
    await accessible(page);
    expect(stage.whip.map(({ method, token }) => `${method} ${token}`)).toEqual(["POST Bearer ticket-1"]);
    expect(stage.violations).toEqual([]);
    expect(await tooSmall(page), "touch targets").toEqual([]);
  });

test("camera and microphone off and on again, in one session", async ({ page }) => {
  const stage = await new Stage(page).begin();
  await stage.live();
  await page.getByRole("button", { name: "Mic", exact: true }).click();
  await expect(page.getByText("Microphone is off")).toBeVisible();
  await page.keyboard.press("m");
  await expect(page.getByText("Microphone is off")).toBeHidden();
  const camera = page.getByRole("button", { name: "Camera", exact: true });
  await camera.click();
  await expect(page.getByLabel("The title card viewers see")).toBeVisible();
  await camera.click();
  await expect(page.getByLabel("Your camera, mirrored")).toBeVisible();
  expect(stage.whip).toHaveLength(1);
});

test("no permission is said in words, and there is nothing to go live with", async ({ page }) => {
  const stage = await new Stage(page).begin();
  await page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  });
  await stage.desk();
  await expect(page.getByText("The camera is not allowed here")).toBeVisible();
  await expect(page.getByText("Nor is the microphone")).toBeVisible();
  await expect(page.getByRole("button", { name: "Go live" })).toBeDisabled();
  await accessible(page);
});

test("the server asks for patience, then refuses for good", async ({ page }) => {
  const stage = await new Stage(page).begin();
  stage.refusal = { status: 503, code: "unavailable", retryAfter: 20 };
  await stage.desk();
  await page.getByRole("button", { name: "Go live" }).click();
  await expect(page.getByText("The server asks for a moment.")).toBeVisible();
  await accessible(page);
  stage.refusal = { status: 409, code: "publisher_present" };
  await page.getByRole("button", { name: "Try now" }).click();
  await expect(page.getByText("Somebody else is live in this show.")).toBeVisible();
  expect(stage.whip).toHaveLength(2);
});

test("offline is said, and goes when the line is back", async ({ page, context }) => {
  const stage = await new Stage(page).begin();
  await stage.live();
  await context.setOffline(true);
  await expect(page.getByText("This device is offline")).toBeVisible();
  await accessible(page);
  await context.setOffline(false);
  await expect(page.getByText("This device is offline")).toBeHidden();
});

test("the run sheet: keys, pins that fail, counts that only the newest event sets", async ({ page }) => {
  const stage = await new Stage(page).begin();
  await stage.desk();
  await expect(page.getByRole("button", { name: "Pinned Copper pan 28 cm" })).toBeVisible();
  await page.keyboard.press("n");
  await expect(page.getByRole("button", { name: "Pinned Cast-iron pan" })).toBeVisible();
  expect(stage.calls.filter(({ key }) => key.endsWith("/pin")).map(({ body }) => body), "with the moment of the press").toEqual([{ product: IRON, pinned_at: expect.any(Number) }]);
  stage.answers[`PUT /shows/${SHOW}/pin`] = problem(503, "unavailable", "Try again in a moment.");
  await page.keyboard.press("p");
  await expect(page.getByText("The pin did not change. Try again in a moment.")).toBeVisible();
  await expect(page.getByRole("button", { name: "Pinned Cast-iron pan" })).toBeVisible();
  stage.send({ t: "stock.set", k: PAN_VARIANT, v: 30, d: { variant: PAN_VARIANT, pool: "pol_1", left: 5 } });
  await expect(page.getByText("5 left")).toBeVisible();
  stage.send({ t: "stock.set", k: PAN_VARIANT, v: 29, d: { variant: PAN_VARIANT, pool: "pol_1", left: 9 } });
  stage.send({ t: "pin.set", k: "pin", v: 31, d: { product: PAN } });
  await expect(page.getByRole("button", { name: "Pinned Copper pan 28 cm" })).toBeVisible();
  await expect(page.getByText("5 left")).toBeVisible();
  // The list that is read again is older than the event: the event's count stays.
  const before = stage.count(`GET /shows/${SHOW}/products`);
  stage.send({ t: "catalog.set", k: "catalog", v: 32, d: { count: 3 } });
  await expect.poll(() => stage.count(`GET /shows/${SHOW}/products`)).toBe(before + 1);
  await expect(page.getByText("5 left")).toBeVisible();
});

test("letters typed into a form are letters, not hotkeys", async ({ page }) => {
  const stage = await new Stage(page).begin();
  await stage.desk();
  await page.getByRole("button", { name: "Add a product" }).click();
  await page.getByLabel("Name").pressSequentially("npc");
  expect(stage.count(`PUT /shows/${SHOW}/pin`)).toBe(0);
  await page.getByRole("button", { name: "Add product" }).click();
  await expect(page.getByText("An amount like 49.00.")).toBeVisible();
  await accessible(page);
});

test("a new stream key is asked for twice and shown once", async ({ page }) => {
  const stage = await new Stage(page).begin();
  stage.answers[`POST /shows/${SHOW}/stream-key`] = { body: { generation: 2, whip_url: `${ORIGIN}/whip/${SHOW}`, key: "sk_fresh" } };
  await stage.desk();
  await page.getByText("Stream with OBS").click();
  await page.getByRole("button", { name: "Make a new key" }).click();
  await expect(page.getByRole("dialog")).toContainText("This ends OBS streams that use the old key.");
  await page.keyboard.press("Escape");
  expect(stage.count(`POST /shows/${SHOW}/stream-key`)).toBe(0);
  await page.getByRole("button", { name: "Make a new key" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make a new key" }).click();
  await expect(page.getByRole("textbox", { name: "Bearer token" })).toHaveValue("sk_fresh");
  await accessible(page);
});

test("ending: the picture leaves at once, and an ending that fails can be tried again", async ({ page }) => {
  const stage = await new Stage(page).begin();
  const end = stage.answers[`POST /shows/${SHOW}/end`]!;
  stage.answers[`POST /shows/${SHOW}/end`] = problem(503, "unavailable", "Try again in a moment.");
  await stage.live();
  await page.getByRole("button", { name: "End show" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "End show" }).click();
  await expect(page.getByText("You are off the air, but the show is not ended yet")).toBeVisible();
  expect(stage.whip.map(({ method }) => method)).toEqual(["POST", "DELETE"]);
  stage.answers[`POST /shows/${SHOW}/end`] = end;
  await page.getByRole("button", { name: "End show" }).click();
  await expect(page.getByRole("heading", { name: "The show is over" })).toBeVisible();
  await accessible(page);
});
