// What is this person's in any show: holds and orders, as the server keeps them. Read on joining, and again whenever the
// room says that there is a newer version; so a second tab, and a page after a reload, knows what the first one did.

import { effect, signal, type Signal } from "@preact/signals";
import { getMyDocument, type Hold, type MyDocument, type Order } from "../../shared/api";
import { isTransient, jitter, sleep } from "../../shared/http";
import type { Room } from "../../shared/realtime";

/** A tap does not wait longer than this to learn whether another tab already holds one. */
const TAP_WAIT_MS = 1_500;

export class Mine {
  /** null until it was read. */
  readonly document: Signal<MyDocument | null> = signal(null);

  private readonly leave = new AbortController();
  private readonly off: () => void;
  private reading: Promise<void> | null = null;
  /** The version asked for while a reading was under way: what that one brings may be older. */
  private asked = 0;

  constructor(room: Room) {
    let joined = false;
    this.off = effect(() => {
      const newest = room.me.value;
      const came = room.phase.value === "joined" && !joined;
      joined = room.phase.value === "joined";
      // What was said while the line was away was not heard.
      if (joined) void this.read(came ? Infinity : newest);
    });
  }

  close(): void {
    this.leave.abort();
    this.off();
  }

  /** The live hold of a variant in a show, if there is one, also when it is of several things. */
  hold(show: string, variant: string): Hold | null {
    return this.document.value?.holds.find((hold) => hold.show === show && isOf(hold, variant) && isLive(hold)) ?? null;
  }

  /** The newest order that was made on a hold. */
  orderOf(hold: string): Order | null {
    return this.document.value?.orders.find((order) => order.hold === hold) ?? null;
  }

  /** Resolves as soon as it is known, or can be waited for no longer. */
  async known(): Promise<void> {
    if (this.document.peek()) return;
    await Promise.race([this.read(0), sleep(TAP_WAIT_MS)]).catch(() => undefined);
  }

  private read(newest: number): Promise<void> {
    if (!this.reading && (this.document.peek()?.version ?? -1) >= newest) return Promise.resolve();
    if (this.reading) {
      this.asked = Math.max(this.asked, newest);
      return this.reading;
    }
    this.reading = this.readUntilNew().finally(() => (this.reading = null));
    return this.reading;
  }

  private async readUntilNew(): Promise<void> {
    for (let attempt = 0; !this.leave.signal.aborted; ) {
      this.asked = 0;
      try {
        const read = await getMyDocument({ signal: this.leave.signal });
        const known = this.document.peek();
        if (!known || read.version >= known.version) this.document.value = read;
        if (read.version >= this.asked) return;
      } catch (error) {
        // A house that does not keep one, or a person it does not know: the page then knows what it did itself.
        if (this.leave.signal.aborted || !isTransient(error)) return;
        await sleep(jitter(attempt++), this.leave.signal).catch(() => undefined);
      }
    }
  }
}

/** A hold of several things is of each of them. */
export function isOf(hold: Hold, variant: string): boolean {
  return hold.variant === variant || !!hold.lines?.some((line) => line.variant === variant);
}

export function isLive(hold: Hold): boolean {
  return hold.state === "held" || hold.state === "paying";
}

/** The bank has said yes, and the thing is bought. */
export function isPaid(order: Order): boolean {
  return order.state === "confirmed" || order.state === "captured" || order.state === "fulfilled" || order.state === "settled";
}
