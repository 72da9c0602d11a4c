// The sales numbers. Events say that something sold, the server says how much: the page never adds up money itself.

import { signal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import type { Sales } from "../shared/api";
import { words } from "../shared/back/words";

/** One read per this time at most, however many units go: the numbers move, the server is not asked a hundred times. */
const EVERY_MS = 700;
/** A paid hold changes no stock and so sends no event; a slow look finds it. */
const LOOK_MS = 5_000;

export class SalesBoard {
  readonly sales: Signal<Sales | null> = signal<Sales | null>(null);
  readonly trouble: Signal<string> = signal("");
  private timer: ReturnType<typeof setTimeout> | undefined;
  private reading = false;
  private again = false;
  private readonly stop = new AbortController();
  private readonly look: ReturnType<typeof setInterval>;

  constructor(private readonly show: string) {
    this.look = setInterval(() => {
      if (!document.hidden) this.stale();
    }, LOOK_MS);
  }

  /** Something changed. The first call reads at once, later ones within EVERY_MS are merged into one read. */
  stale(): void {
    if (this.stop.signal.aborted) return;
    if (this.reading || this.timer !== undefined) {
      this.again = true;
      return;
    }
    void this.read();
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.timer);
    clearInterval(this.look);
  }

  private async read(): Promise<void> {
    this.reading = true;
    this.again = false;
    try {
      this.sales.value = await api.getSales(this.show, { signal: this.stop.signal });
      this.trouble.value = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.trouble.value = words(error);
    }
    this.reading = false;
    if (this.stop.signal.aborted) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.again) void this.read();
    }, EVERY_MS);
  }
}
