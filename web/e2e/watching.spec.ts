// How a viewer's picture and sound reach the page, as the browser tells it.

import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures/test";
import { type Carried, carried, noteConnections, restartICE } from "./fixtures/connections";
import { addShow, expectPicture, expectSound, goLive, signUp } from "./fixtures/stage";

/** How many viewers the program has on the transport that is made for them. */
async function leanViewers(admin: string): Promise<number> {
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  return Number(/^rialto_media_lean_viewers (\d+)$/m.exec(metrics)?.[1] ?? NaN);
}

/** The connection as it stands; fails the test while there is none. */
async function standing(page: Page): Promise<Carried> {
  const found = await carried(page);
  expect(found, "the page has a connection").not.toBeNull();
  return found!;
}

test("picture and sound come over the lean transport, sealed with AES-128-GCM, and go on through an ICE restart", async ({ browser, house }) => {
  test.setTimeout(180_000);
  const contexts = await Promise.all([1, 2].map(() => browser.newContext({ baseURL: house.url })));
  const [creator, viewer] = await Promise.all(contexts.map((context) => context.newPage()));
  try {
    await creator!.goto("/");
    await signUp(creator!, "Nora");
    const show = await addShow(creator!, "A show to be watched");
    await goLive(creator!, show);

    const page = viewer!;
    await noteConnections(page);
    const created = page.waitForResponse((response) => response.status() === 201 && response.url().includes("/whep/"));
    await page.goto(`/s/${show}`);
    const response = await created;
    await expectPicture(page, "a viewer watches");
    await expectSound(page);

    const before = await standing(page);
    expect(before).toMatchObject({ state: "connected", dtls: "connected", cipher: "SRTP_AEAD_AES_128_GCM", server: expect.stringMatching(`^udp .*:${house.media}$`) });
    expect(before.video.repairs, "lost packets are to come again by a stream of their own").not.toBeNull();
    expect(await leanViewers(house.admin), "the viewer's transport is the lean one").toBe(1);
    await expect.poll(async () => (await standing(page)).audio.packets, { message: "sound flows" }).toBeGreaterThan(before.audio.packets + 50);
    const then = await standing(page);
    expect(then.video.packets, "the picture flows").toBeGreaterThan(before.video.packets);
    expect(then.video.frames, "and is decoded").toBeGreaterThan(before.video.frames);

    const resource = new URL(response.headers()["location"]!, response.url()).href;
    expect(await restartICE(page, resource, response.headers()["etag"]!), "the server takes part").toBe(200);
    await expect.poll(async () => (await standing(page)).ufrag, { message: "the new generation carries" }).not.toBe(before.ufrag);
    await expectPicture(page, "after the restart");
    const after = await standing(page);
    expect(after).toMatchObject({ state: "connected", dtls: "connected", cipher: "SRTP_AEAD_AES_128_GCM" });
    expect(await leanViewers(house.admin), "and still is").toBe(1);
    expect(after.video.frames, "the same picture goes on").toBeGreaterThan(then.video.frames);
  } finally {
    await Promise.all(contexts.map((context) => context.close()));
  }
});
