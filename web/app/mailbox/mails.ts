// The mails that this program would have sent: a list that is looked at again, and one that is being read.

import { batch, signal, type Signal } from "@preact/signals";
import { ApiError, listMails, readMail, type Mail, type MailHead } from "../shared/api";
import { Lookout } from "../shared/lookout";

/** Whoever waits for a mail looks for it. */
const LOOK_MS = 2_500;

export type Reading = { state: "none" } | { state: "loading" } | { state: "ready"; mail: Mail } | { state: "gone" } | { state: "failed"; error: unknown };

export class Mails {
  /** null until it was read. */
  readonly list: Signal<MailHead[] | null> = signal<MailHead[] | null>(null);
  /** The last reading of the list failed. */
  readonly error: Signal<unknown> = signal<unknown>(null);
  readonly reading: Signal<Reading> = signal<Reading>({ state: "none" });
  /** Newest mail that came while the page was open, for those who listen. */
  readonly said: Signal<string> = signal("");
  private readonly lookout = new Lookout(LOOK_MS, (signal) => this.look(signal));
  private leave = new AbortController();

  start(): void {
    this.lookout.soon();
  }

  close(): void {
    this.lookout.close();
    this.leave.abort();
  }

  again(): void {
    this.error.value = null;
    this.lookout.soon();
  }

  /** Shows one mail, or (null) none. What was asked for before is left. */
  async open(id: string | null): Promise<void> {
    this.leave.abort();
    const leave = (this.leave = new AbortController());
    if (id === null) {
      this.reading.value = { state: "none" };
      return;
    }
    this.reading.value = { state: "loading" };
    try {
      const mail = await readMail(id, { signal: leave.signal });
      if (!leave.signal.aborted) this.reading.value = { state: "ready", mail };
    } catch (error) {
      if (leave.signal.aborted) return;
      const gone = error instanceof ApiError && [400, 404, 422].includes(error.status);
      this.reading.value = gone ? { state: "gone" } : { state: "failed", error };
    }
  }

  private async look(signal: AbortSignal): Promise<number> {
    try {
      const { mails } = await listMails({ signal });
      batch(() => {
        const before = this.list.peek();
        const newest = mails[0];
        if (before && newest && newest.id !== before[0]?.id) this.said.value = `A new mail: ${newest.subject}`;
        this.list.value = mails;
        this.error.value = null;
      });
    } catch (error) {
      if (!signal.aborted) this.error.value = error;
    }
    return LOOK_MS;
  }
}
