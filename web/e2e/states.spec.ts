// The states of the viewer's pages that only a server in trouble, or one caught in the middle, brings about.

import { expect, test } from "@playwright/test";
import { inspect } from "./fixtures/inspect";
import { Shop } from "./fixtures/pages";
import { buyingStates } from "./fixtures/buying-states";
import { states, usual } from "./fixtures/states";
import { talkStates } from "./fixtures/talk-states";

for (const [name, state] of Object.entries({ ...states, ...buyingStates, ...talkStates })) {
  test(`${name}: everybody can read it, at every width, within the content policy`, async ({ page }, info) => {
    const shop = new Shop(page);
    usual(shop);
    await shop.start();
    await state.before?.(shop);
    await shop.open(state.path);
    await state.reach(shop);
    await inspect(page, name.replace(/\W+/g, "-"), info);
    expect(shop.violations).toEqual([]);
    expect(shop.errors).toEqual([]);
  });
}
