// Each state of each page of the viewer: reachable, readable by everybody (axe), inside the screen at the smallest width,
// and within the content policy. SHOTS=folder also keeps pictures of them, at two sizes in two colour schemes.

import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Browser } from "@playwright/test";
import { Shop } from "./fixtures/pages";
import { states, usual, type State } from "./fixtures/states";

const shots = process.env.SHOTS;

async function reach(browser: Browser, state: State, options: object): Promise<Shop> {
  const context = await browser.newContext(options);
  const shop = new Shop(await context.newPage());
  usual(shop);
  await shop.start();
  await state.before?.(shop);
  await shop.open(state.path);
  await state.reach(shop);
  return shop;
}

for (const [name, state] of Object.entries(states)) {
  test(name, async ({ browser }) => {
    for (const colorScheme of ["light", "dark"] as const) {
      const viewport = colorScheme === "light" ? { width: 320, height: 640 } : { width: 1280, height: 800 };
      const shop = await reach(browser, state, { viewport, colorScheme, reducedMotion: "reduce" });
      // The show's one picture moves; what is judged is what stands around it.
      const { violations } = await new AxeBuilder({ page: shop.page }).disableRules(["video-caption"]).analyze();
      expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`)).toEqual([]);
      expect(await shop.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
      expect(shop.violations).toEqual([]);
      expect(shop.errors).toEqual([]);
      await shop.page.context().close();
    }
    if (!shots) return;
    for (const [width, height] of [[375, 812], [1280, 800]] as const)
      for (const colorScheme of ["light", "dark"] as const) {
        const shop = await reach(browser, state, { viewport: { width, height }, colorScheme });
        await shop.page.waitForTimeout(600); // Let the sheet stand still for its picture.
        await shop.page.screenshot({ path: `${shots}/${name}-${width}-${colorScheme}.png` });
        await shop.page.context().close();
      }
  });
}
