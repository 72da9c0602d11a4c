// What a show sells, as one page knows it: the list that HTTP gave, overtaken by what the show's room says. Versions decide
// between them.

import { batch, signal, type Signal } from "@preact/signals";
import { getProducts, type Catalog } from "./api";
import type { EventPayloads, EventType } from "./events";
import { isTransient, jitter, sleep } from "./http";
import type { Room } from "./realtime";

export class Listing {
  /** null until it was read. */
  readonly catalog: Signal<Catalog | null> = signal(null);
  /** The list could not be read again: it may be old. */
  readonly behind: Signal<boolean> = signal(false);

  private readonly leave = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly show: string,
    private readonly room: Room,
  ) {}

  close(): void {
    this.leave.abort();
    clearTimeout(this.timer);
  }

  /** The room's word on a key, unless the list that was read is newer. */
  newest<T extends EventType>(type: T, key: string): EventPayloads[T] | undefined {
    const event = this.room.state(type, key).value;
    return event && this.room.version(type, key) >= (this.catalog.value?.version ?? 0) ? event : undefined;
  }

  /** Reads again within this time; what asks meanwhile is answered by the same reading. */
  readSoon(ms: number): void {
    if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.read();
    }, ms);
  }

  /** Reads the list again, until it is there or refused. */
  async read(): Promise<void> {
    for (let attempt = 0; !this.leave.signal.aborted; attempt++) {
      try {
        const catalog = await getProducts(this.show, { signal: this.leave.signal });
        batch(() => {
          // An answer that was overtaken by a newer one is old.
          if (catalog.version >= (this.catalog.peek()?.version ?? 0)) this.catalog.value = catalog;
          this.behind.value = false;
        });
        return;
      } catch (error) {
        if (this.leave.signal.aborted) return;
        this.behind.value = true;
        if (!isTransient(error)) return;
        await sleep(jitter(attempt), this.leave.signal).catch(() => undefined);
      }
    }
  }
}
