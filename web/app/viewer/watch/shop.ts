// What the person is buying on this page. The purchase itself lives in the lazily loaded buy part; it is kept here so
// that closing the sheet keeps the hold and opening it again goes on. Holds of another tab, or of before a reload, stand in
// the person's document.

import { effect, signal, type Signal } from "@preact/signals";
import type { MyDocument, Order, Product } from "../../shared/api";
import { serverNow } from "../../shared/clock";
import type { Purchase } from "../buy/purchase";
import { isPaid } from "./mine";
import type { WatchModel } from "./model";

/** A unit that is promised to this person and not paid yet. */
export interface Waiting {
  /** Milliseconds on the server's clock; null: it is being paid, or its clock stands. */
  expiresAt: number | null;
}

export class ShopState {
  /** The product whose sheet is open. */
  readonly buying: Signal<Product | null> = signal(null);
  /** Purchases begun on this page, by variant. */
  readonly purchases: Signal<ReadonlyMap<string, Purchase>> = signal(new Map());
  /** Paid for elsewhere just now. */
  readonly bought: Signal<Order | null> = signal(null);

  private before: MyDocument | null = null;
  /** Orders whose receipt was on this page. */
  private readonly seen = new Set<string>();

  constructor(readonly model: WatchModel) {}

  /** Follows what happens to this person's holds elsewhere, until the returned function is called. */
  follow(): () => void {
    return effect(() => {
      const document = this.model.mine.document.value;
      if (document) this.learn(document);
    });
  }

  open(product: Product): void {
    this.bought.value = null;
    this.buying.value = product;
  }

  close(): void {
    this.buying.value = null;
  }

  remember(variant: string, purchase: Purchase): void {
    this.purchases.value = new Map(this.purchases.value).set(variant, purchase);
  }

  forget(variant: string): void {
    const rest = new Map(this.purchases.value);
    rest.delete(variant);
    this.purchases.value = rest;
  }

  /** The receipt stands on the page: it need not be told once more. */
  told(order: Order): void {
    this.seen.add(order.id);
    if (this.bought.peek()?.id === order.id) this.bought.value = null;
  }

  /** A hold of this product that waits for its person, if there is one. */
  waiting(product: Product): (Waiting & { variant: string }) | null {
    for (const { id } of product.variants) {
      const purchase = this.purchases.value.get(id);
      if (purchase?.isHeld.value) return { variant: id, expiresAt: purchase.step.value === "held" && purchase.stood.value === null ? purchase.expiresAt.value : null };
      const hold = this.model.mine.hold(this.model.id, id);
      // One that ended here is over, even if the document has not heard of it yet.
      if (!hold || hold.id === purchase?.hold.value?.id) continue;
      if (hold.state === "paying" || hold.stands) return { variant: id, expiresAt: null };
      const expiresAt = Date.parse(hold.expires_at);
      if (expiresAt > serverNow()) return { variant: id, expiresAt };
    }
    return null;
  }

  private learn(document: MyDocument): void {
    const paidBefore = new Set(this.before?.orders.filter(isPaid).map(({ id }) => id));
    const first = this.before === null;
    this.before = document;
    for (const purchase of this.purchases.peek().values()) purchase.learn(document);
    if (first) return;
    const fresh = document.orders.find((order) => order.show === this.model.id && isPaid(order) && !paidBefore.has(order.id) && !this.isOpen(order));
    if (fresh) this.bought.value = fresh;
  }

  /** Its receipt was shown here, or is about to be. */
  private isOpen(order: Order): boolean {
    if (this.seen.has(order.id)) return true;
    for (const purchase of this.purchases.peek().values()) {
      if (purchase.hold.peek()?.id === order.hold) return this.buying.peek()?.variants.some(({ id }) => id === purchase.variant) === true;
    }
    return false;
  }
}
