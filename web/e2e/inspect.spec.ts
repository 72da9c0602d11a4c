// The looks at pages find what is wrong: the first, which brings axe into the page, and those after it.

import { expect, test } from "@playwright/test";
import { barriers } from "./fixtures/inspect";

const faulty = `<!doctype html><html lang="en"><title>Faulty</title><main><h1>Pans</h1><input id="bare"><p id="pale" style="color:#bbb;background:#fff">49.00</p></main></html>`;

test("what is wrong is found again at each look, by all rules or by some, and not any more once it is mended", async ({ page }) => {
  await page.setContent(faulty);
  const both = ["color-contrast: #pale", "label: #bare"];
  expect(await barriers(page), "the first look").toEqual(both);
  expect(await barriers(page), "the next").toEqual(both);
  expect(await barriers(page, ["color-contrast"])).toEqual(["color-contrast: #pale"]);
  await page.evaluate(() => (document.querySelector("p")!.style.color = "#000"));
  expect(await barriers(page)).toEqual(["label: #bare"]);
  await page.goto("about:blank");
  await page.setContent(faulty);
  expect(await barriers(page, ["color-contrast"]), "another document").toEqual(["color-contrast: #pale"]);
});
