// The sales numbers. Events say that something sold, the server says how much: the page never adds up money itself.

import { batch, signal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import type { Sales } from "../shared/api";
import { jitter } from "../shared/http";
import { Lookout } from "../shared/lookout";
import { formatMoney } from "../shared/money";
import { words } from "../shared/back/words";

/** One read per this time at most, however many units go: the numbers move, the server is not asked a hundred times. */
const EVERY_MS = 700;
/** A payment changes no stock and so sends no event. Only what is held can be paid: then a quick look finds it. */
const PAYING_MS = 1_500;
/** Otherwise a slow look, in case that a word of the room was lost. */
const LOOK_MS = 10_000;
/** A screen reader hears the numbers at most this often. */
const SAY_MS = 20_000;

export class SalesBoard {
  readonly sales: Signal<Sales | null> = signal<Sales | null>(null);
  readonly trouble: Signal<string> = signal("");
  /** For those who listen; changes seldom. */
  readonly spoken: Signal<string> = signal("");
  private readonly lookout: Lookout;
  private failures = 0;
  private saidAt = -SAY_MS;
  private heard: Sales | null = null;

  constructor(private readonly show: string) {
    this.lookout = new Lookout(EVERY_MS, (signal) => this.read(signal));
  }

  /** Something changed. The first call reads at once, later ones within EVERY_MS are merged into one read. */
  stale(): void {
    this.lookout.soon();
  }

  close(): void {
    this.lookout.close();
  }

  private async read(signal: AbortSignal): Promise<number> {
    try {
      const sales = await api.getSales(this.show, { signal });
      batch(() => {
        this.sales.value = sales;
        this.trouble.value = "";
        this.say(sales);
      });
      this.failures = 0;
      return sales.held > 0 ? PAYING_MS : LOOK_MS;
    } catch (error) {
      if (!signal.aborted) this.trouble.value = words(error);
      return PAYING_MS + jitter(this.failures++, PAYING_MS, LOOK_MS);
    }
  }

  /** Not the first reading, which the page itself tells, and nothing that has not sold. */
  private say(sales: Sales): void {
    this.heard ??= sales;
    const now = performance.now();
    if (sales.sold === this.heard.sold || now - this.saidAt < SAY_MS) return;
    this.heard = sales;
    this.saidAt = now;
    this.spoken.value = `${sales.sold} sold. Revenue ${revenues(sales).join(" and ")}.`;
  }
}

/** In words, the largest first; one of nothing while nothing is sold. */
export function revenues(sales: Sales): string[] {
  return (sales.revenues.length > 0 ? sales.revenues : [sales.revenue]).map(formatMoney);
}
