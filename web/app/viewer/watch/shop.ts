// What the person is buying on this page. The purchase itself lives in the lazily loaded buy part; it is kept here so
// that closing the sheet keeps the hold and opening it again goes on.

import { signal, type Signal } from "@preact/signals";
import type { Product } from "../../shared/api";
import type { Purchase } from "../buy/purchase";
import type { WatchModel } from "./model";

export class ShopState {
  /** The product whose sheet is open. */
  readonly buying: Signal<Product | null> = signal(null);
  /** Purchases begun on this page, by variant. */
  readonly purchases: Signal<ReadonlyMap<string, Purchase>> = signal(new Map());

  constructor(readonly model: WatchModel) {}

  open(product: Product): void {
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

  /** A hold of this product that waits for its person, if there is one. */
  waiting(product: Product): Purchase | null {
    for (const variant of product.variants) {
      const purchase = this.purchases.value.get(variant.id);
      if (purchase?.isHeld.value) return purchase;
    }
    return null;
  }
}
