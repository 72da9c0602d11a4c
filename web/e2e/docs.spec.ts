// The API's document, drawn for developers: under the page's own policy, readable on a phone and in the dark.

import { expect, test } from "./fixtures/test";

/** As a build between two releases names itself, however this one does. */
const LONG_VERSION = "v0.0.0-20261125052703-1c29f7962e11+dirty go1.26.8";

for (const scheme of ["light", "dark"] as const)
  for (const [size, viewport] of Object.entries({ phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } })) {
    test(`the API can be read: ${size}, ${scheme}`, async ({ page, complaints }, info) => {
      void complaints; // nothing forbidden by the policy, nothing said on the console
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize(viewport);
      const strangers: string[] = [];
      page.on("request", (request) => {
        if (!request.url().startsWith("data:") && new URL(request.url()).origin !== new URL(page.url()).origin && page.url() !== "about:blank") strangers.push(request.url());
      });
      await page.route("**/openapi.json", async (route) => {
        const response = await route.fetch();
        const document = (await response.json()) as { info: { version: string } };
        document.info.version = LONG_VERSION;
        await route.fulfill({ response, json: document });
      });
      const answer = await page.goto("/docs");
      expect(answer?.headers()["content-security-policy"]).toContain("script-src 'self';");
      await expect(page.getByRole("heading", { name: /Rialto/ })).toBeVisible();
      const hold = page.locator("#operations-Sale-putHold");
      await expect(hold.getByText("Buy: take units for a while, to pay for them")).toBeVisible();
      await page.screenshot({ path: info.outputPath("docs.png") });
      await hold.getByRole("button").first().click();
      await expect(hold.getByText("A problem (RFC 9457)", { exact: false })).toBeVisible();
      await expect(hold.getByText("sold_out", { exact: false }).first()).toBeVisible();
      await page.screenshot({ path: info.outputPath("operation.png") });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(wide, "nothing to scroll sideways").toBeLessThanOrEqual(0);
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(ground).toBe(scheme === "dark" ? "rgb(14, 17, 22)" : "rgb(250, 248, 244)");
      expect(strangers).toEqual([]);
    });
  }
