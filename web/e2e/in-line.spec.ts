// More people come to a show than its server lets in at a time. Their pages say so, and ask again when they were told to.

import { expect, test } from "@playwright/test";
import { SHOW, show } from "./fixtures/kitchen";
import { Shop } from "./fixtures/pages";
import { busy, playing, usual } from "./fixtures/states";

const IN_LINE = "Many people are joining. You are in line.";

test("in line: the page says so, asks no sooner than it was told, and plays when its turn comes", async ({ page }) => {
  const shop = new Shop(page);
  usual(shop);
  shop.whep = busy(3);
  await shop.start();
  const asked: number[] = [];
  page.on("request", (request) => request.method() === "POST" && request.url().endsWith(`/whep/${SHOW}`) && asked.push(Date.now()));
  await shop.open(`/s/${SHOW}`);
  await expect(page.getByText(IN_LINE)).toBeVisible();
  await expect(page.getByRole("button", { name: "Buy Copper pan 28 cm" }), "the shop does not wait for the picture").toBeEnabled();
  // That the show is on air is no news to who stands in line.
  shop.send({ t: "show.state", k: "show", v: 30, d: show() });
  await expect.poll(() => asked.length).toBe(2);
  expect(asked[1]! - asked[0]!, "it waits for as long as it was told").toBeGreaterThanOrEqual(3_000);
  await expect(page.getByText(IN_LINE), "its words stay while it asks").toBeVisible();
  shop.whep = "play";
  await playing(shop);
  await expect(page.getByText(IN_LINE)).toHaveCount(0);
  expect(asked).toHaveLength(3);
  expect(shop.errors).toEqual([]);
});
