// The run sheet: the show's products, which one is pinned, which row the creator stands on, and what is left of each.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import type { Product } from "../shared/api";
import type { ProductDraft } from "./draft";
import { words } from "./words";

export type Loading = { state: "loading" } | { state: "ready" } | { state: "failed"; words: string };

export class RunSheet {
  readonly loading: Signal<Loading> = signal<Loading>({ state: "loading" });
  readonly products: Signal<Product[]> = signal<Product[]>([]);
  readonly pinned: Signal<string | null> = signal<string | null>(null);
  readonly selected: Signal<string | null> = signal<string | null>(null);
  /** The product whose pin is on its way; buttons wait for it, so that two quick presses cannot cross. */
  readonly pinning: Signal<string | null> = signal<string | null>(null);
  readonly trouble: Signal<string> = signal("");
  readonly selectedProduct: ReadonlySignal<Product | null> = computed(() => this.find(this.selected.value));
  private latest = 0;
  /** Highest version seen per thing: socket and HTTP answers may overtake each other. */
  private readonly versions = new Map<string, number>();

  constructor(private readonly show: string) {}

  async load(): Promise<void> {
    const turn = ++this.latest;
    try {
      const page = await api.getProducts(this.show);
      if (turn !== this.latest) return;
      batch(() => {
        this.products.value = page.products.map((product) => this.keepNewer(product, page.version));
        this.takePin(page.pinned, page.version);
        if (!this.find(this.selected.value)) this.selected.value = page.pinned ?? page.products[0]?.id ?? null;
        this.loading.value = { state: "ready" };
      });
    } catch (error) {
      if (turn !== this.latest) return;
      // A list that is already on screen is worth more than an error in its place.
      if (this.loading.value.state === "ready") this.trouble.value = words(error);
      else this.loading.value = { state: "failed", words: words(error) };
    }
  }

  takePin(product: string | null, version: number): void {
    if (!this.newer("pin", version)) return;
    this.pinned.value = product;
  }

  takeStock(variant: string, left: number, version: number): void {
    if (!this.newer(variant, version)) return;
    this.products.value = this.products.value.map((product) =>
      product.variants.some((each) => each.id === variant)
        ? { ...product, variants: product.variants.map((each) => (each.id === variant ? { ...each, left } : each)) }
        : product,
    );
  }

  takePrice(variant: string, amount: number, currency: string, version: number): void {
    if (!this.newer(`price ${variant}`, version)) return;
    this.products.value = this.products.value.map((product) =>
      product.variants.some((each) => each.id === variant)
        ? { ...product, variants: product.variants.map((each) => (each.id === variant ? { ...each, price: { amount, currency } } : each)) }
        : product,
    );
  }

  /** Pins a product, or takes the pin off with null. The page shows it pinned when the server says so. */
  async pin(product: string | null): Promise<void> {
    if (this.pinning.value !== null) return;
    this.pinning.value = product ?? this.pinned.value;
    this.trouble.value = "";
    try {
      await api.putPin(this.show, product);
      // The event follows with its version; this only saves the round trip on the creator's own page.
      this.pinned.value = product;
    } catch (error) {
      this.trouble.value = `The pin did not change. ${words(error)}`;
    } finally {
      this.pinning.value = null;
    }
  }

  togglePin(): Promise<void> {
    const selected = this.selected.value;
    if (!selected) return Promise.resolve();
    return this.pin(selected === this.pinned.value ? null : selected);
  }

  /** The next product of the run goes on stage: one press while speaking. */
  next(): Promise<void> {
    const rows = this.products.value;
    const at = rows.findIndex(({ id }) => id === (this.pinned.value ?? this.selected.value));
    const target = this.pinned.value === null ? rows[Math.max(0, at)] : rows[at + 1];
    if (!target) return Promise.resolve();
    this.selected.value = target.id;
    return this.pin(target.id);
  }

  move(step: 1 | -1): void {
    const rows = this.products.value;
    if (rows.length === 0) return;
    const at = rows.findIndex(({ id }) => id === this.selected.value);
    const target = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
    if (target) this.selected.value = target.id;
  }

  async save(id: string, draft: ProductDraft): Promise<void> {
    await api.putProduct(this.show, id, draft);
    await this.load();
    this.selected.value = id;
  }

  private find(id: string | null): Product | null {
    return this.products.value.find((product) => product.id === id) ?? null;
  }

  private newer(key: string, version: number): boolean {
    if (version < (this.versions.get(key) ?? 0)) return false;
    this.versions.set(key, version);
    return true;
  }

  /** A list answer may be older than an event already applied. */
  private keepNewer(product: Product, version: number): Product {
    const known = this.products.value.find(({ id }) => id === product.id);
    return {
      ...product,
      variants: product.variants.map((variant) => {
        const old = known?.variants.find(({ id }) => id === variant.id);
        const left = this.newer(variant.id, version) || !old ? variant.left : old.left;
        const price = this.newer(`price ${variant.id}`, version) || !old ? variant.price : old.price;
        return { ...variant, left, price };
      }),
    };
  }
}

/** What is left of a product over all its variants. */
export function leftOf(product: Product): number {
  return product.variants.reduce((sum, variant) => sum + variant.left, 0);
}
