// The program is killed in the middle of a show. Nobody presses anything, and the show goes on.

import { expect, test } from "@playwright/test";
import { Program } from "./fixtures/program";
import { CARDS, addProduct, addShow, card, expectPicture, fillPayment, goLive, onAir, payButton, pin, signUp } from "./fixtures/stage";

const KETTLE = "Copper kettle";

test("kill -9 while live: no process is left, all data is there again, and creator and viewer go on by themselves", async ({ browser }) => {
  test.setTimeout(180_000);
  const program = await Program.start({ demo: false });
  const contexts = await Promise.all([1, 2].map(() => browser.newContext({ baseURL: program.url })));
  try {
    const [creator, viewer] = [await contexts[0]!.newPage(), await contexts[1]!.newPage()];
    await creator.goto("/");
    await signUp(creator, "Nora");
    const show = await addShow(creator, "A show that survives");
    await pin(creator, show, await addProduct(creator, show, { title: KETTLE, amount: 4900, stock: 3 }));
    await goLive(creator, show);
    await viewer.goto(`/s/${show}`);
    await expectPicture(viewer, "before the kill");
    await card(viewer, KETTLE).getByRole("button", { name: `Buy ${KETTLE}` }).click();
    await fillPayment(viewer, CARDS.pays, { email: "ana@example.com", name: "Ana Gomes" });
    await payButton(viewer).click();
    const order = await viewer.getByRole("link", { name: "Open your order" }).getAttribute("href");
    await viewer.getByRole("button", { name: "Back to the show" }).click();
    await expect(card(viewer, KETTLE).getByText("2 left")).toBeVisible();

    for (const store of [/postgres/, /redis-server/, /sandbox/]) expect(program.processes()).toContainEqual(expect.stringMatching(store));
    expect(await program.kill(), "stores and sandbox go with the program").toEqual([]);
    await expect(viewer.getByText("Reconnecting.", { exact: false }), "the page says that its numbers may be old").toBeVisible();
    await expect(onAir(creator), "nobody is told to be live who is not").toBeHidden({ timeout: 20_000 });
    await program.launch();

    await expect(onAir(creator), "the creator's page publishes again by itself").toBeVisible({ timeout: 60_000 });
    await expectPicture(viewer, "after the kill", 60_000);
    await expect(card(viewer, KETTLE).getByText("2 left"), "what was sold stays sold").toBeVisible();
    await expect(viewer.getByText("Reconnecting.", { exact: false })).toBeHidden();
    await expect(creator.getByText("€49.00 · 2 left")).toBeVisible();

    const receipt = await contexts[1]!.newPage();
    await receipt.goto(order ?? "");
    await expect(receipt.getByText("Paid, and yours.", { exact: false }), "the order is durable").toBeVisible();
    await receipt.goto("/studio");
    await expect(receipt.getByText("Your stage is one sign-in away"), "nobody is anybody else").toBeVisible();
    await creator.goto("/studio");
    await expect(creator.getByRole("link", { name: "A show that survives" }), "the creator is still signed in").toBeVisible();
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
    await program.stop();
  }
});
