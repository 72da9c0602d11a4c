// A pin shows with its picture: the frame that was taken when the creator pressed. The picture carries the true time in large
// squares, and is read from the screen frame by frame; the card is watched from outside, too.

import type { Browser, Page } from "@playwright/test";
import { noteConnections } from "./fixtures/connections";
import { expect, test } from "./fixtures/test";
import { addProduct, addShow, expectPicture, goLive, signUp } from "./fixtures/stage";

/** On a machine that has no time, frames are late together with the card: so what counts is which frame it came with. */
const WORST_FRAMES = 3;
const PRESSES = 12;
/** The time in the picture starts again after so many ms. */
const LAP = 2 ** 24;

interface Seen {
  frames: { at: number; clock: number; timestamp: number }[];
  cards: { at: number; title: string | null }[];
  heard: number[];
}
declare global {
  interface Window {
    seen: Seen;
  }
}

/** The creator's camera: 24 bits of the time in white and black squares, and below them the same in black and white. */
async function clockCamera(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (constraints) => {
      if (!constraints?.video) return real(constraints);
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [640, 360];
      const context = canvas.getContext("2d")!;
      const draw = (): void => {
        const now = Date.now() % 2 ** 24;
        for (let bit = 0; bit < 24; bit++) {
          const on = (now >> bit) & 1;
          const [x, y] = [(bit % 12) * 53, bit < 12 ? 0 : 180];
          context.fillStyle = on ? "#fff" : "#000";
          context.fillRect(x, y, 53, 90);
          context.fillStyle = on ? "#000" : "#fff";
          context.fillRect(x, y + 90, 53, 90);
        }
      };
      draw();
      setInterval(draw, 1_000 / 60);
      return canvas.captureStream(15);
    };
  });
}

/** Notes each frame on the screen with the time in it, each change of the card, and when pins were heard of. */
async function watchClosely(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const seen: Seen = (window.seen = { frames: [], cards: [], heard: [] });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [48, 16];
    const context = canvas.getContext("2d", { willReadFrequently: true })!;
    const read = (video: HTMLVideoElement): number | null => {
      context.drawImage(video, 0, 0, 48, 16);
      const { data } = context.getImageData(0, 0, 48, 16);
      const light = (x: number, y: number): number => data[(y * 48 + x) * 4]!;
      let value = 0;
      for (let bit = 0; bit < 24; bit++) {
        const [x, y] = [Math.floor(((bit % 12) + 0.5) * 3.975), bit < 12 ? 1 : 9];
        const [above, below] = [light(x, y), light(x, y + 4)];
        if (Math.abs(above - below) < 60) return null; // Not to be read.
        if (above > below) value += 2 ** bit;
      }
      return value;
    };
    const follow = (video: HTMLVideoElement): void => {
      const frame = (at: number, { rtpTimestamp }: VideoFrameCallbackMetadata): void => {
        const clock = read(video);
        if (clock !== null) seen.frames.push({ at, clock, timestamp: rtpTimestamp ?? 0 });
        video.requestVideoFrameCallback(frame);
      };
      video.requestVideoFrameCallback(frame);
    };
    let video: HTMLVideoElement | null = null;
    let title: string | null | undefined;
    new MutationObserver(() => {
      const found = document.querySelector("video");
      if (found && found !== video) follow((video = found));
      const card = document.querySelector("section.pin h2")?.textContent ?? null;
      if (card !== title) seen.cards.push({ at: performance.now(), title: card });
      title = card;
    }).observe(document, { childList: true, subtree: true, characterData: true });
    window.WebSocket = class extends WebSocket {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        this.addEventListener("message", ({ data }) => {
          if (String(data).startsWith('{"t":"pin.set"')) seen.heard.push(performance.now());
        });
      }
    };
  });
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

interface Press {
  pinnedAt: number;
  title: string | null;
}

/** The creator pins, changes and takes off, each when all viewers have seen the one before. */
async function press(creator: Page, titles: readonly [string, string], pages: Page[]): Promise<Press[]> {
  const before = await Promise.all(pages.map(snapshot));
  const presses: Press[] = [];
  let on = -1;
  for (let n = 0; n < PRESSES; n++) {
    // Row 0, row 1, off, row 0 …
    const off = n % 3 === 2;
    if (!off) {
      const row = on === 0 ? 1 : 0;
      await creator.keyboard.press(row === 0 ? "ArrowUp" : "ArrowDown");
      on = row;
    }
    const asked = creator.waitForRequest((request) => request.method() === "PUT" && request.url().endsWith("/pin"));
    const answered = creator.waitForResponse((response) => response.request().method() === "PUT" && response.url().endsWith("/pin"));
    await creator.keyboard.press("p");
    const body = (await asked).postDataJSON() as { product: string | null; pinned_at: number };
    expect((await answered).status()).toBe(204);
    expect(body.pinned_at, "the studio says when").toBeGreaterThan(Date.now() - 5_000);
    presses.push({ pinnedAt: body.pinned_at, title: off ? null : titles[on]! });
    if (off) on = -1;
    await Promise.all(pages.map((page, i) => settled(page, before[i]!.cards.length + n + 1, body.pinned_at)));
  }
  return presses;
}

interface Figures {
  /** Card against the frame of its pin, ms: below 0 is before it. */
  apart: number[];
  /** The same, where the pin was heard of in time. */
  inTime: number[];
  /** Frames between the one of the pin and the one the card came with. */
  frames: number[];
  /** How long the card waited after the pin was heard of. */
  waited: number[];
}

/** What a page saw of these presses, which began when the room had said `before` pins. */
async function figures(page: Page, presses: Press[], before: Seen): Promise<Figures> {
  const seen = await page.evaluate(() => window.seen);
  const cards = seen.cards.slice(before.cards.length);
  expect(cards.map(({ title }) => title), "the card changes once for each press, in order").toEqual(presses.map(({ title }) => title));
  const heard = seen.heard.slice(before.heard.length);
  const found: Figures = { apart: [], inTime: [], frames: [], waited: [] };
  presses.forEach(({ pinnedAt }, n) => {
    const index = seen.frames.findIndex(({ clock }) => since(pinnedAt, clock) >= 0 && since(pinnedAt, clock) < 5_000);
    expect(index, `the picture of press ${n} was seen`).toBeGreaterThan(0);
    const frame = seen.frames[index]!;
    found.apart.push(cards[n]!.at - frame.at);
    found.waited.push(cards[n]!.at - heard[n]!);
    if (heard[n]! >= frame.at) return;
    found.inTime.push(cards[n]!.at - frame.at);
    found.frames.push(seen.frames.findLastIndex(({ at }) => at <= cards[n]!.at) - index);
  });
  return found;
}

function report(name: string, { apart, inTime, frames, waited }: Figures): void {
  const size = apart.map(Math.abs);
  const words = `${name}: card against its frame, median ${median(size).toFixed(1)} ms, worst ${Math.max(...size).toFixed(1)} ms; frames apart ${JSON.stringify(frames)}; heard in time ${inTime.length}/${apart.length}; waited ${median(waited).toFixed(0)} ms`;
  console.log(words, JSON.stringify(apart.map(Math.round)));
  test.info().annotations.push({ type: "measured", description: words });
}

const snapshot = (page: Page): Promise<Seen> => page.evaluate(() => window.seen);

/** From a moment to the time in a picture, ms: those are 24 bits. */
const since = (moment: number, clock: number): number => ((((clock - moment) % LAP) + 1.5 * LAP) % LAP) - LAP / 2;

/** The card has changed so often, and the picture of the last press has come. */
async function settled(page: Page, cards: number, pressed: number): Promise<void> {
  const there = async (): Promise<boolean> => {
    const seen = await snapshot(page);
    return seen.cards.length >= cards && since(pressed, seen.frames.at(-1)?.clock ?? pressed - 1) >= 0;
  };
  await expect.poll(there, { message: "card and picture of the last press have come", timeout: 20_000 }).toBe(true);
}

/** Timestamps of the picture are the server's clock: so they are once reports of the creator have come. */
async function timed(page: Page): Promise<void> {
  const apart = async (): Promise<number> => {
    const now = Date.now();
    const newest = (await snapshot(page)).frames.slice(-10).map(({ clock, timestamp }) => {
      const ticks = (((timestamp - (now + since(now, clock)) * 90) % 2 ** 32) + 1.5 * 2 ** 32) % 2 ** 32;
      return Math.abs(ticks - 2 ** 31) / 90;
    });
    return newest.length < 10 ? Infinity : Math.max(...newest);
  };
  await expect.poll(apart, { message: "timestamps are the server's clock", timeout: 30_000 }).toBeLessThan(150);
}

/** The picture on the screen is so old. */
async function heldBack(page: Page, ms: number): Promise<void> {
  const age = async (): Promise<number> => {
    const { frames, origin } = await page.evaluate(() => ({ frames: window.seen.frames.slice(-10), origin: performance.timeOrigin }));
    return Math.min(...frames.map(({ at, clock }) => -since(origin + at, clock)));
  };
  await expect.poll(age, { message: "the picture is held back", timeout: 30_000 }).toBeGreaterThan(ms);
}

async function viewer(browser: Browser, url: string, show: string, shift = 0): Promise<Page> {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 390, height: 844 } });
  const page = await context.newPage();
  await noteConnections(page);
  await watchClosely(page);
  if (shift !== 0)
    await page.addInitScript((shift) => {
      const real = Date.now;
      Date.now = () => real() + shift;
    }, shift);
  await page.goto(`/s/${show}`);
  await expectPicture(page, "a viewer watches", 60_000);
  return page;
}

test("a pin shows with the frame of its moment: as the picture comes, with a picture that is held back, and with clocks that are wrong", async ({ browser, house }) => {
  test.setTimeout(240_000);
  const context = await browser.newContext({ baseURL: house.url });
  const creator = await context.newPage();
  await clockCamera(creator);
  await creator.goto("/");
  await signUp(creator, "Nora");
  const show = await addShow(creator, "A show to the moment");
  const titles = ["Copper pan", "Iron wok"] as const;
  for (const title of titles) await addProduct(creator, show, { title, amount: 4_900, stock: 50 });
  await goLive(creator, show);

  const pages = [await viewer(browser, house.url, show, 90_000), await viewer(browser, house.url, show, -90_000)];
  try {
    await Promise.all(pages.map(timed));

    let before = await Promise.all(pages.map(snapshot));
    let presses = await press(creator, titles, pages);
    for (const [n, page] of pages.entries()) {
      const found = await figures(page, presses, before[n]!);
      report(`as it comes, clock ${n === 0 ? "+" : "-"}90 s`, found);
      // What is heard of after its picture can only show late.
      if (found.frames.length > PRESSES / 2) expect(median(found.frames.map(Math.abs)), "the median").toBeLessThanOrEqual(1);
      expect(Math.max(0, ...found.frames.map(Math.abs)), "the worst").toBeLessThanOrEqual(WORST_FRAMES);
    }

    for (const page of pages)
      await page.evaluate(() => {
        const { connections } = (window as unknown as { noted: { connections: RTCPeerConnection[] } }).noted;
        for (const receiver of connections.at(-1)!.getReceivers()) receiver.jitterBufferTarget = 500;
      });
    await Promise.all(pages.map((page) => heldBack(page, 400)));
    before = await Promise.all(pages.map(snapshot));
    presses = await press(creator, titles, pages);
    for (const [n, page] of pages.entries()) {
      const found = await figures(page, presses, before[n]!);
      report(`held back by 500 ms, clock ${n === 0 ? "+" : "-"}90 s`, found);
      expect(found.inTime.length, "pins are heard of before their picture").toBeGreaterThan(PRESSES / 2);
      expect(median(found.frames.map(Math.abs)), "the median").toBeLessThanOrEqual(1);
      expect(Math.max(...found.frames.map(Math.abs)), "the worst").toBeLessThanOrEqual(WORST_FRAMES);
      expect(median(found.waited), "the card waits with the picture").toBeGreaterThan(150);
    }
  } finally {
    await Promise.all([context, ...pages.map((page) => page.context())].map((each) => each.close()));
  }
});
