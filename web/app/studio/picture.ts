// Looks at the studio's own preview the way a viewer would: is it black, is it frozen?

import { signal, type Signal } from "@preact/signals";

export type PictureFault = "" | "black" | "frozen";

const WIDTH = 32;
const HEIGHT = 18;
const EVERY_MS = 500;
/** Mean brightness of a covered lens, 0..255; a dim room is well above. */
const BLACK_LUMA = 6;
const BLACK_MS = 3_000;
/** A real camera has noise in every frame; not one changed pixel for this long means that frames stopped. */
const FROZEN_MS = 4_000;

/** The verdict over time on small grey pictures. Pure: time comes in. */
export class PictureJudge {
  private before: Uint8Array | null = null;
  private blackSince: number | null = null;
  private sameSince: number | null = null;

  next(luma: Uint8Array, nowMs: number): PictureFault {
    let sum = 0;
    for (const value of luma) sum += value;
    if (sum / Math.max(1, luma.length) > BLACK_LUMA) this.blackSince = null;
    else this.blackSince ??= nowMs;
    const before = this.before;
    if (before && before.length === luma.length && luma.every((value, i) => value === before[i])) this.sameSince ??= nowMs;
    else this.sameSince = null;
    this.before = luma.slice();
    if (this.blackSince !== null && nowMs - this.blackSince >= BLACK_MS) return "black";
    if (this.sameSince !== null && nowMs - this.sameSince >= FROZEN_MS) return "frozen";
    return "";
  }

  reset(): void {
    this.before = this.blackSince = this.sameSince = null;
  }
}

/** Samples a playing video element until stopped. */
export class PictureCheck {
  readonly fault: Signal<PictureFault> = signal("");
  private timer: ReturnType<typeof setInterval> | undefined;

  watch(video: HTMLVideoElement): void {
    this.stop();
    const canvas = document.createElement("canvas");
    canvas.width = WIDTH;
    canvas.height = HEIGHT;
    const ink = canvas.getContext("2d", { willReadFrequently: true });
    if (!ink) return;
    const judge = new PictureJudge();
    this.timer = setInterval(() => {
      // A hidden tab does not paint its video: what it would see there says nothing about what viewers see.
      if (document.hidden || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
        judge.reset();
        this.fault.value = "";
        return;
      }
      ink.drawImage(video, 0, 0, WIDTH, HEIGHT);
      this.fault.value = judge.next(grey(ink.getImageData(0, 0, WIDTH, HEIGHT).data), performance.now());
    }, EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.fault.value = "";
  }
}

function grey(rgba: Uint8ClampedArray): Uint8Array {
  const luma = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < luma.length; i++) {
    luma[i] = (0.299 * (rgba[4 * i] ?? 0) + 0.587 * (rgba[4 * i + 1] ?? 0) + 0.114 * (rgba[4 * i + 2] ?? 0)) | 0;
  }
  return luma;
}
