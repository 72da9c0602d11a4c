// Reading again and again what nobody announces, as long as somebody looks at the page.

/**
 * One reading at a time, so that no answer overtakes another. None while the page is hidden or there is no line; at once
 * when that has changed. Starts with the first soon(), ends with close().
 */
export class Lookout {
  private readonly stop = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer ends, performance.now(). */
  private due = 0;
  private reading = false;
  private again = false;
  private readAt: number;
  private started = false;

  /**
   * `read` says after how many ms it wants to be asked again, and does not throw; it is asked every `everyMs` at most,
   * however often something changes.
   */
  constructor(
    private readonly everyMs: number,
    private readonly read: (signal: AbortSignal) => Promise<number>,
  ) {
    this.readAt = -everyMs;
    const wake = (): void => {
      if (this.started && awake()) this.soon();
    };
    document.addEventListener("visibilitychange", wake, { signal: this.stop.signal });
    window.addEventListener("online", wake, { signal: this.stop.signal });
  }

  /** Something changed: read at once, or as soon as the pace allows. */
  soon(): void {
    this.started = true;
    if (this.reading) this.again = true;
    else this.in(this.readAt + this.everyMs - performance.now());
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.timer);
  }

  /** Whatever comes first counts. */
  private in(ms: number): void {
    if (this.stop.signal.aborted) return;
    const due = performance.now() + Math.max(0, ms);
    if (this.timer !== undefined && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      // Whoever comes back wakes it.
      if (awake()) void this.look();
    }, Math.max(0, ms));
  }

  private async look(): Promise<void> {
    this.reading = true;
    this.again = false;
    const pause = await this.read(this.stop.signal);
    this.reading = false;
    this.readAt = performance.now();
    this.in(this.again ? this.everyMs : pause);
  }
}

function awake(): boolean {
  return !document.hidden && navigator.onLine;
}
