// A list that comes in pages: the first, then more on request; what is on the page already stays when the next one fails.

import { batch, signal, type Signal } from "@preact/signals";

export type ListState = "loading" | "ready" | "failed";

export class Pages<T extends { id: string }> {
  readonly items: Signal<T[]> = signal<T[]>([]);
  readonly state: Signal<ListState> = signal<ListState>("loading");
  readonly error: Signal<unknown> = signal<unknown>(null);
  /** There is more to be had. */
  readonly more: Signal<boolean> = signal(false);
  private cursor: string | null = null;
  private turn = 0;

  constructor(private readonly read: (cursor: string | null, signal?: AbortSignal) => Promise<{ items: T[]; next: string | null }>) {}

  /** From the start again. */
  load(): Promise<void> {
    this.cursor = null;
    this.items.value = [];
    return this.next();
  }

  async next(): Promise<void> {
    const turn = ++this.turn;
    const cursor = this.cursor;
    this.state.value = "loading";
    try {
      const page = await this.read(cursor);
      if (turn !== this.turn) return;
      batch(() => {
        const known = new Set(this.items.value.map(({ id }) => id));
        this.items.value = [...this.items.value, ...page.items.filter(({ id }) => !known.has(id))];
        this.cursor = page.next;
        this.more.value = page.next !== null;
        this.state.value = "ready";
      });
    } catch (error) {
      if (turn !== this.turn) return;
      batch(() => {
        this.error.value = error;
        this.state.value = "failed";
      });
    }
  }

  /**
   * The first page again, quietly: what is new stands where the server puts it, what changed changes in its place. Returns
   * the new ones, or null when it was not read; never throws.
   */
  async refresh(signal: AbortSignal): Promise<T[] | null> {
    if (this.state.peek() !== "ready") return null;
    const turn = this.turn;
    const page = await this.read(null, signal).catch(() => null);
    if (!page || turn !== this.turn || signal.aborted) return null;
    const old = this.items.peek();
    const known = new Set(old.map(({ id }) => id));
    const fresh = page.items.filter(({ id }) => !known.has(id));
    const named = new Set(page.items.map(({ id }) => id));
    // More came at once than a page holds: what lies between is not known, so the list begins anew.
    const gap = page.next !== null && fresh.length === page.items.length;
    batch(() => {
      this.items.value = gap ? page.items : [...page.items, ...old.filter(({ id }) => !named.has(id))];
      if (!gap && old.length > 0) return;
      this.cursor = page.next;
      this.more.value = page.next !== null;
    });
    return fresh;
  }

  /** What was made or changed here: in its place, or first. */
  put(item: T): void {
    const at = this.items.value.findIndex(({ id }) => id === item.id);
    this.items.value = at < 0 ? [item, ...this.items.value] : this.items.value.map((each) => (each.id === item.id ? item : each));
  }
}
