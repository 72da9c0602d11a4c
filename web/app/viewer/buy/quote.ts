// What a hold costs with everything, delivered to a place: asked from the server, which alone can say. An answer that was
// overtaken changes nothing; while a new one is asked for, the last one stays, since what is paid is what was shown.

import { signal, type Signal } from "@preact/signals";
import { ApiError, isTransient, untilAnswered } from "../../shared/http";
import { getCosts, type Costs, type Destination } from "../delivery/calls";

const TRIES = 3;

export class Quote {
  readonly costs: Signal<Costs | null> = signal(null);
  readonly asking: Signal<boolean> = signal(false);
  /** Why there are no costs for the place that was asked about last. */
  readonly problem: Signal<ApiError | null> = signal(null);

  /** The country that the costs are for: while a new one is asked about, the old one. */
  country = "";

  private present: AbortController | null = null;
  private asked: { hold: string; to: Destination } | null = null;

  /** Asks, unless the costs of just that are known or on their way. */
  async want(hold: string, to: Destination): Promise<void> {
    const same = this.asked?.hold === hold && this.asked.to.country === to.country && this.asked.to.region === to.region;
    if (!same || this.problem.peek()) await this.ask(hold, to);
  }

  /** After a failure. */
  async again(): Promise<void> {
    if (this.asked && !this.asking.peek()) await this.ask(this.asked.hold, this.asked.to);
  }

  /** The connection is back: what was asked without it is asked anew. */
  async online(): Promise<void> {
    if (this.asked && (this.asking.peek() || this.problem.peek())) await this.ask(this.asked.hold, this.asked.to);
  }

  private async ask(hold: string, to: Destination): Promise<void> {
    this.present?.abort();
    const mine = new AbortController();
    this.present = mine;
    this.asked = { hold, to };
    this.asking.value = true;
    this.problem.value = null;
    try {
      const costs = await untilAnswered(() => getCosts(hold, to, { signal: mine.signal }), TRIES, mine.signal);
      if (this.present === mine) this.show(costs);
    } catch (error) {
      if (this.present === mine) this.fail(error);
    } finally {
      if (this.present === mine) this.asking.value = false;
    }
  }

  /** The server named them by itself. */
  learn(costs: Costs): void {
    this.present?.abort();
    this.present = null;
    this.asking.value = false;
    this.problem.value = null;
    this.show(costs);
  }

  private show(costs: Costs): void {
    this.country = this.asked?.to.country ?? "";
    this.costs.value = costs;
  }

  private fail(error: unknown): void {
    this.problem.value = error instanceof ApiError ? error : new ApiError(0, "page_error", "The costs could not be worked out.");
    // What it costs somewhere else is no longer true here. What was only not heard again still is.
    if (!isTransient(error)) this.costs.value = null;
  }
}
