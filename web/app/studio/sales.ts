// The sales numbers. Events say that something sold, the server says how much: the page never adds up money itself.

import { batch, signal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import type { Sales } from "../shared/api";
import { jitter } from "../shared/http";
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

/**
 * Reads one answer at a time, so none can overtake another; asks nothing while nobody looks or there is no line, and at
 * once when that has changed. Opened by stale(), and closed once.
 */
export class SalesBoard {
  readonly sales: Signal<Sales | null> = signal<Sales | null>(null);
  readonly trouble: Signal<string> = signal("");
  /** For those who listen; changes seldom. */
  readonly spoken: Signal<string> = signal("");
  private readonly stop = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer ends, performance.now(). */
  private due = 0;
  private reading = false;
  private again = false;
  private readAt = -EVERY_MS;
  private failures = 0;
  private saidAt = -SAY_MS;
  private heard: Sales | null = null;

  constructor(private readonly show: string) {
    const { signal } = this.stop;
    const wake = (): void => {
      if (awake()) this.stale();
    };
    document.addEventListener("visibilitychange", wake, { signal });
    window.addEventListener("online", wake, { signal });
  }

  /** Something changed. The first call reads at once, later ones within EVERY_MS are merged into one read. */
  stale(): void {
    if (this.reading) this.again = true;
    else this.readIn(Math.max(0, this.readAt + EVERY_MS - performance.now()));
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.timer);
  }

  /** Whatever comes first counts. */
  private readIn(ms: number): void {
    if (this.stop.signal.aborted) return;
    const due = performance.now() + ms;
    if (this.timer !== undefined && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      // Whoever comes back wakes it.
      if (awake()) void this.read();
    }, ms);
  }

  private async read(): Promise<void> {
    this.reading = true;
    this.again = false;
    try {
      const sales = await api.getSales(this.show, { signal: this.stop.signal });
      batch(() => {
        this.sales.value = sales;
        this.trouble.value = "";
      });
      this.failures = 0;
      this.say(sales);
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.failures++;
      this.trouble.value = words(error);
    }
    this.reading = false;
    this.readAt = performance.now();
    this.readIn(this.again && this.failures === 0 ? EVERY_MS : this.pause());
  }

  private pause(): number {
    if (this.failures > 0) return Math.max(PAYING_MS, jitter(this.failures, PAYING_MS, LOOK_MS));
    return this.sales.peek()?.held ? PAYING_MS : LOOK_MS;
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

function awake(): boolean {
  return !document.hidden && navigator.onLine;
}
