// What a brand has sold: read in pages, and looked at again while the page is open, so that orders come in by themselves.

import { batch, signal, type Signal } from "@preact/signals";
import { soldOrders, type SoldOrder } from "../shared/api";
import { Lookout } from "../shared/lookout";
import { Pages } from "./pages";

/** Nobody packs faster than this. */
const LOOK_MS = 6_000;
/** Looks that fail in a row before the page says that it may be behind. */
const PATIENCE = 2;

export class SoldOrders {
  readonly list = new Pages<SoldOrder>(async (cursor, signal) => {
    const page = await soldOrders(cursor, signal ? { signal } : {});
    return { items: page.orders, next: page.next };
  });
  /** Orders that came while the page was open. */
  readonly fresh: Signal<ReadonlySet<string>> = signal<ReadonlySet<string>>(new Set());
  /** The newest of them, in words. */
  readonly said: Signal<string> = signal("");
  /** New orders may be missing. */
  readonly behind: Signal<boolean> = signal(false);
  private readonly lookout = new Lookout(LOOK_MS, (signal) => this.look(signal));
  private failures = 0;

  start(): void {
    void this.list.load();
    this.lookout.soon();
  }

  close(): void {
    this.lookout.close();
  }

  private async look(signal: AbortSignal): Promise<number> {
    if (this.list.state.peek() !== "ready") return LOOK_MS;
    const found = await this.list.refresh(signal);
    batch(() => {
      this.failures = found || this.list.state.peek() !== "ready" ? 0 : this.failures + 1;
      this.behind.value = this.failures >= PATIENCE;
      if (!found?.length) return;
      this.fresh.value = new Set([...this.fresh.peek(), ...found.map(({ id }) => id)]);
      this.said.value = found.length === 1 ? `A new order: ${found[0]!.receipt.number}.` : `${found.length} new orders.`;
    });
    return LOOK_MS;
  }
}

/** What to do with it, in plain words. */
export function stateWords(state: SoldOrder["state"]): string {
  switch (state) {
    case "fulfilled":
      return "Sent";
    case "settled":
      return "Sent, and paid out to you";
    case "refund_pending":
      return "Being refunded: do not send";
    case "refunded":
      return "Refunded: do not send";
    case "cancelled":
      return "Cancelled: do not send";
    default:
      return "Paid: to be sent";
  }
}

export const toBeSent = (state: SoldOrder["state"]): boolean => state === "confirmed" || state === "captured";
