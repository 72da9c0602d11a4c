// Which product the card shows, and since when. A pin means a moment of the picture: the creator lifts the pan and presses. It
// is heard before that picture has come through to this screen, and waits for it. Prices, stock and Buy wait for nothing.

import type { Signal } from "@preact/signals";
import { followPicture } from "./picture";

export interface PinSet {
  product: string | null;
  /** The moment it means, by the server's clock; 0: long ago. */
  pinned_at: number;
}

/** No pin waits longer for its picture, which may have stopped. */
export const MAX_PIN_WAIT_MS = 3_000;
/** Nobody pins faster than this many while a picture is on its way; of more, the oldest do not wait. */
export const MAX_PINS_WAITING = 16;

interface Waiting {
  product: string | null;
  at: number;
  timer: ReturnType<typeof setTimeout>;
}

export class Pins {
  /** In the order of their coming, all of them after `moment`. */
  private waiting: Waiting[] = [];
  /** Which moment is on the screen, by the server's clock; null while no picture says so. */
  private moment: number | null = null;

  /** Nobody else sets `card` meanwhile. */
  constructor(private readonly card: Signal<string | null | undefined>) {}

  /** See followPicture. After the end nothing waits. */
  follow(video: HTMLVideoElement, latest: () => number | null): () => void {
    return followPicture(video, latest, (moment) => this.picture(moment));
  }

  /** Pins come in order. Without a picture, or when the picture is there already, the card changes at once. */
  take({ product, pinned_at: at }: PinSet): void {
    if (this.moment === null || at <= this.moment || at > this.moment + MAX_PIN_WAIT_MS) return this.show(product);
    const entry: Waiting = { product, at, timer: setTimeout(() => this.release(this.waiting.indexOf(entry)), MAX_PIN_WAIT_MS) };
    this.waiting.push(entry);
    if (this.waiting.length > MAX_PINS_WAITING) this.release(0);
  }

  /** A picture of this moment comes on the screen now; null: there is none, or nobody knows of when it is. */
  picture(moment: number | null): void {
    this.moment = moment;
    if (this.waiting.length === 0) return;
    // The newest that is due wins; those before it are over.
    this.release(moment === null ? this.waiting.length - 1 : this.waiting.findLastIndex(({ at }) => at <= moment));
  }

  private release(index: number): void {
    const due = this.waiting[index];
    if (!due) return;
    this.drop(index + 1);
    this.card.value = due.product;
  }

  /** What comes now is newer than all that waits. */
  private show(product: string | null): void {
    this.drop(this.waiting.length);
    this.card.value = product;
  }

  private drop(count: number): void {
    for (const { timer } of this.waiting.splice(0, count)) clearTimeout(timer);
  }
}
