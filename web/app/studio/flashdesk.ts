// Setting and ending flash prices from the run sheet. One press is one order, however often it has to be sent: ids are made
// with the order and repeated while its answer is unknown.

import { signal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import { isTransient, untilAnswered } from "../shared/http";
import { newId } from "../shared/ids";
import { serverNow } from "../shared/clock";
import { words } from "../shared/back/words";
import type { Product } from "../shared/api";
import { flashPhase, inShow, presetSteps, runningOf, spanWords, type Plan, type Preset } from "./flash";
import type { RunSheet } from "./sheet";

const TRIES = 3;
/** A second press of the same key within this time is a finger that bounced. */
const BOUNCE_MS = 1_000;
/** An order whose answer never came is sent again under its old ids for this long; later the press means a new one. */
const ORDER_LIFE_MS = 60_000;

/** Beside which control something is said: a preset's key, "form" or "end". */
export type Place = string;

interface Order {
  key: string;
  madeAt: number;
  startsAt: string | null;
  ids: Map<string, string>;
  done: boolean;
}

export class FlashDesk {
  readonly busy: Signal<Place | null> = signal(null);
  readonly trouble: Signal<{ at: Place; words: string } | null> = signal(null);
  /** What the last order did, in words. */
  readonly said: Signal<string> = signal("");
  private order: Order | null = null;

  constructor(
    private readonly show: string,
    private readonly sheet: RunSheet,
  ) {}

  /** What a preset or the form applies to: the row the creator stands on, else what is on stage. */
  get target(): Product | null {
    return this.sheet.selectedProduct.value ?? this.sheet.pinnedProduct.value;
  }

  /** Whose flash price E ends: the target's, else the pinned product's, else any that runs. */
  endTarget(now: number): Product | null {
    const candidates = [this.target, this.sheet.pinnedProduct.value, ...this.sheet.products.value];
    return candidates.find((product) => product && runningOf(product, now)) ?? null;
  }

  preset(preset: Preset): Promise<boolean> {
    const product = this.target;
    if (!product) return Promise.resolve(false);
    const steps = presetSteps(product, preset);
    if (steps.length === 0) return this.complain(preset.key, inShow(product).length === 0 ? `${product.title} has no units in this show yet.` : `${product.title} cannot cost less than it does.`);
    return this.set(preset.key, product, { steps, lastsS: preset.lastsS, startsInS: 0, cap: 0 }, `−${preset.percent} %`);
  }

  plan(product: Product, plan: Plan): Promise<boolean> {
    return this.set("form", product, plan, "A flash price");
  }

  /** Ends what runs or waits to start; twice is once. */
  async end(): Promise<boolean> {
    if (this.busy.value !== null) return false;
    const now = serverNow();
    const product = this.endTarget(now);
    if (!product) return this.complain("end", "No flash price is running.");
    this.begin("end");
    const ids = product.variants.flatMap(({ flash }) => (flash && flashPhase(flash, flash.left, now) !== "over" ? [flash.id] : []));
    const failed = await this.each(ids, (id) => api.endFlashPrice(this.show, id));
    this.order = null;
    if (failed === null) {
      this.sheet.dropFlash(product.id, ids);
      this.said.value = `${product.title} is back at its standing price.`;
    } else this.trouble.value = { at: "end", words: `The flash price still runs. ${words(failed)}` };
    this.busy.value = null;
    return failed === null;
  }

  private async set(place: Place, product: Product, plan: Plan, what: string): Promise<boolean> {
    if (this.busy.value !== null) return false;
    const order = this.orderFor(JSON.stringify([product.id, plan]), plan);
    if (order.done) return true;
    this.begin(place);
    const failed = await this.each(plan.steps, async ({ variant, amount }) => {
      const known = this.sheet.priceVersion(variant);
      const id = order.ids.get(variant) ?? newId("fls");
      order.ids.set(variant, id);
      const made = await api.putFlashPrice(this.show, id, { variant, amount, lasts_s: plan.lastsS, starts_at: order.startsAt, cap: plan.cap });
      this.sheet.takeFlash(variant, { ...made, left: made.cap > 0 ? made.cap : null }, known);
    });
    this.busy.value = null;
    if (failed === null) {
      order.done = true;
      order.madeAt = performance.now();
      this.said.value = `${what} on ${named(product, plan.steps.length)} for ${spanWords(plan.lastsS)}${plan.startsInS > 0 ? `, in ${spanWords(plan.startsInS)}` : ""}.`;
      return true;
    }
    // A refusal is the end of this order; one whose fate is unknown keeps its ids.
    if (!isTransient(failed)) this.order = null;
    this.trouble.value = { at: place, words: `${isTransient(failed) ? "We have not heard whether the price is set; press again." : "The price did not change."} ${words(failed)}` };
    return false;
  }

  /** The order that this press repeats, or a new one. */
  private orderFor(key: string, plan: Plan): Order {
    const old = this.order;
    const now = performance.now();
    if (old?.key === key && now - old.madeAt < (old.done ? BOUNCE_MS : ORDER_LIFE_MS)) return old;
    const startsAt = plan.startsInS > 0 ? new Date(serverNow() + plan.startsInS * 1000).toISOString() : null;
    this.order = { key, madeAt: now, startsAt, ids: new Map(), done: false };
    return this.order;
  }

  private begin(place: Place): void {
    this.busy.value = place;
    this.trouble.value = null;
    this.said.value = "";
  }

  private complain(at: Place, text: string): Promise<false> {
    this.said.value = "";
    this.trouble.value = { at, words: text };
    return Promise.resolve(false);
  }

  /** All of them, also when one fails; the first failure. */
  private async each<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<unknown> {
    const results = await Promise.allSettled(items.map((item) => untilAnswered(() => run(item), TRIES)));
    return results.find((result) => result.status === "rejected")?.reason ?? null;
  }
}

function named(product: Product, steps: number): string {
  const all = inShow(product).length;
  if (all === 1) return product.title;
  return steps === all ? `all ${all} variants of ${product.title}` : `${steps} of ${all} variants of ${product.title}`;
}
