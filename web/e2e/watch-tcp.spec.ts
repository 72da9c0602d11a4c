// A viewer whose network lets no UDP through, as in many offices: the browser itself is told to use none.

import { chromium } from "@playwright/test";
import { expect, test } from "./fixtures/test";
import { carried, noteConnections } from "./fixtures/connections";
import { ask, expectPicture, expectSound } from "./fixtures/stage";

test.use({ demo: true });

test("where no UDP gets through, picture and sound come over TCP, to the same port, and go on", async ({ house, launchOptions }) => {
  const browser = await chromium.launch({ ...launchOptions, args: [...(launchOptions.args ?? []), "--webrtc-ip-handling-policy=disable_non_proxied_udp"] });
  try {
    const page = await (await browser.newContext({ baseURL: house.url })).newPage();
    await noteConnections(page);
    await page.goto("/");
    const live = async (): Promise<string> => (await ask<{ shows: { id: string; on_air: boolean }[] }>(page, "GET", "/shows?state=live")).shows.find((show) => show.on_air)?.id ?? "";
    let show = "";
    await expect.poll(async () => (show = await live()), { message: "the demo show is on air", timeout: 20_000 }).toMatch(/^shw_/);
    await page.goto(`/s/${show}`);
    await expectPicture(page, "over TCP");
    await expectSound(page);
    const before = await carried(page);
    expect(before?.server).toMatch(new RegExp(`^tcp .*:${house.media}$`));
    await expect.poll(async () => (await carried(page))!.video.frames - before!.video.frames, { message: "it goes on", timeout: 20_000 }).toBeGreaterThan(100);
    const after = await carried(page);
    expect(after).toMatchObject({ state: "connected", server: before!.server, ufrag: before!.ufrag });
    expect(after!.video.lost, "TCP loses nothing").toBe(0);
  } finally {
    await browser.close();
  }
});
