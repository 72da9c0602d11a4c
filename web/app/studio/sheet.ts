// The run sheet: the show's products, which one is pinned, which row the creator stands on, and what is left of each.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import type { Product, Variant } from "../shared/api";
import type { FlashPrice } from "../shared/events";
import type { ProductDraft } from "./draft";
import { words } from "../shared/back/words";

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
  readonly pinnedProduct: ReadonlySignal<Product | null> = computed(() => this.find(this.pinned.value));
  private latest = 0;
  /** Highest version seen per thing: socket and HTTP answers may overtake each other. */
  private readonly versions = new Map<string, number>();
  private readonly flashLefts = new Map<string, { left: number | null; version: number }>();

  constructor(
    private readonly show: string,
    /** The moment of the picture that is being taken, by the server's clock; undefined: not known. */
    private readonly moment: () => number | undefined = () => undefined,
  ) {}

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

  takeStock(variant: string, left: number, flashLeft: number | null, version: number): void {
    if (!this.newer(variant, version)) return;
    this.flashLefts.set(variant, { left: flashLeft, version });
    this.change(variant, (each) => ({ ...each, left, flash: each.flash && { ...each.flash, left: flashLeft } }));
  }

  takePrice(variant: string, amount: number, currency: string, flash: FlashPrice | null, version: number): void {
    if (!this.newer(`price ${variant}`, version)) return;
    const counted = this.flashLefts.get(variant);
    this.change(variant, (each) => {
      // Price and count travel apart: a count that is older than this price says nothing about it.
      const left = each.flash?.id === flash?.id ? (each.flash?.left ?? null) : counted && counted.version > version ? counted.left : flash?.cap || null;
      return { ...each, price: { amount, currency }, flash: flash && { ...flash, left } };
    });
  }

  takeDrop(variant: string, opensAt: string | null, version: number): void {
    if (!this.newer(`drop ${variant}`, version)) return;
    this.change(variant, (each) => ({ ...each, opens_at: opensAt }));
  }

  priceVersion(variant: string): number {
    return this.versions.get(`price ${variant}`) ?? 0;
  }

  /** The answer to a flash price set here. The event follows with its version; unless it was quicker, this saves the round trip. */
  takeFlash(variant: string, flash: NonNullable<Variant["flash"]>, knownVersion: number): void {
    if (this.priceVersion(variant) === knownVersion) this.change(variant, (each) => ({ ...each, flash }));
  }

  /** These flash prices were ended here. */
  dropFlash(product: string, ids: readonly string[]): void {
    for (const { id, flash } of this.find(product)?.variants ?? []) if (flash && ids.includes(flash.id)) this.change(id, (each) => ({ ...each, flash: null }));
  }

  private change(variant: string, to: (each: Variant) => Variant): void {
    this.products.value = this.products.value.map((product) =>
      product.variants.some(({ id }) => id === variant) ? { ...product, variants: product.variants.map((each) => (each.id === variant ? to(each) : each)) } : product,
    );
  }

  /** Pins a product, or takes the pin off with null. The page shows it pinned when the server says so. */
  async pin(product: string | null): Promise<void> {
    if (this.pinning.value !== null) return;
    const pressed = this.moment();
    this.pinning.value = product ?? this.pinned.value;
    this.trouble.value = "";
    try {
      await api.putPin(this.show, product, pressed);
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

  /** Twice is once, so a lost answer is asked for again. */
  async takeOff(id: string): Promise<void> {
    await api.untilAnswered(() => api.removeProduct(this.show, id), 3);
    await this.load();
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
        if (!old) {
          for (const key of [variant.id, `price ${variant.id}`, `drop ${variant.id}`]) this.newer(key, version);
          return variant;
        }
        const stock = this.newer(variant.id, version) ? variant : old;
        const price = this.newer(`price ${variant.id}`, version) ? variant : old;
        const drop = this.newer(`drop ${variant.id}`, version) ? variant : old;
        const flash = price.flash && { ...price.flash, left: price.flash.id === stock.flash?.id ? stock.flash.left : price.flash.left };
        return { ...variant, left: stock.left, price: price.price, flash, opens_at: drop.opens_at };
      }),
    };
  }
}

/** What is left of a product over all its variants. */
export function leftOf(product: Product): number {
  return product.variants.reduce((sum, variant) => sum + variant.left, 0);
}
