// One show as a brand supplies it: its products, what each variant has in the show, and when it opens. HTTP says what is,
// the show's room what changes; versions decide between them.

import { batch, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import * as api from "../shared/api";
import { ApiError, type BrandProduct, type Catalog, type Product, type Show, type Variant } from "../shared/api";
import { isCode, isTransient, untilAnswered } from "../shared/http";
import { Listing } from "../shared/listing";
import { serverNow } from "../shared/clock";
import { newId } from "../shared/ids";
import { Room } from "../shared/realtime";

export type Found = { state: "loading" } | { state: "missing" } | { state: "foreign"; show: Show } | { state: "failed"; error: unknown } | { state: "ready" };

/** No such show, or a link that is no show id at all. */
const MISSING = new Set([400, 404, 422]);
const TRIES = 3;
/** Lists of mine come in pages; a brand with more than this many of them is told so. */
const PAGES_LIMIT = 40;
/** A burst of changes to the run sheet is read once. */
const REREAD_MS = 300;

/** A variant in this show, by the newest word of the server. */
export interface Stocked {
  /** Units set aside for this show. */
  onHand: number;
  left: number;
  opensAt: string | null;
  /** The release that may still be moved. */
  drop: string | null;
  flash: Variant["flash"];
}

export class Supply {
  readonly found: Signal<Found> = signal<Found>({ state: "loading" });
  readonly show: Signal<Show | null> = signal<Show | null>(null);
  readonly products: Signal<BrandProduct[]> = signal<BrandProduct[]>([]);
  readonly catalog: Signal<Catalog | null>;
  /** The run sheet could not be read again: numbers may be old. */
  readonly behind: ReadonlySignal<boolean>;
  readonly room: Room;
  private readonly listing: Listing;
  /** Releases made on this page, until the room has said them, by variant. */
  private readonly made = signal<ReadonlyMap<string, api.Drop>>(new Map());
  private readonly orders = new Map<string, string>();
  private readonly leave = new AbortController();
  private readonly release: (() => void)[] = [];

  constructor(
    readonly id: string,
    private readonly account: string,
  ) {
    this.room = new Room(id);
    this.listing = new Listing(id, this.room);
    this.catalog = this.listing.catalog;
    this.behind = this.listing.behind;
  }

  start(): void {
    this.release.push(
      this.room.on("catalog.set", () => this.listing.readSoon(REREAD_MS)),
      this.room.on("show.state", (state) => {
        const known = this.show.peek();
        if (known) this.show.value = { ...known, ...state };
      }),
      // The room's word is the newer one from here on.
      this.room.on("drop.set", ({ variant }) => this.forget(variant)),
      // More left than there were: somebody set other units, and only the list says how many.
      this.room.on("stock.set", ({ variant, left }) => {
        const known = this.listed(variant);
        if (known && left > known.on_hand) this.listing.readSoon(REREAD_MS);
      }),
    );
    void this.load();
  }

  stop(): void {
    this.leave.abort();
    this.listing.close();
    for (const off of this.release) off();
    this.room.close();
  }

  async load(): Promise<void> {
    this.found.value = { state: "loading" };
    const options = { signal: this.leave.signal };
    try {
      const show = await api.getShow(this.id, options);
      const mayStock = show.creator.id === this.account || (await this.isSupplied());
      if (!mayStock && show.state !== "ended") {
        this.found.value = { state: "foreign", show };
        return;
      }
      const [catalog, products] = await Promise.all([api.getProducts(this.id, options), this.allProducts()]);
      batch(() => {
        this.show.value = show;
        this.catalog.value = catalog;
        this.products.value = products;
        this.found.value = { state: "ready" };
      });
      if (show.state !== "ended") this.room.open();
    } catch (error) {
      if (this.leave.signal.aborted) return;
      this.found.value = error instanceof ApiError && MISSING.has(error.status) ? { state: "missing" } : { state: "failed", error };
    }
  }

  /** null: this variant has no units in the show yet, and is not on its run sheet. */
  stocked(variant: string): Stocked | null {
    const listed = this.listed(variant);
    if (!listed) return null;
    const stock = this.listing.newest("stock.set", variant);
    const price = this.listing.newest("price.set", variant);
    const drop = this.listing.newest("drop.set", variant);
    const made = this.made.value.get(variant);
    const left = stock?.left ?? listed.left;
    const flash = price ? price.flash && { ...price.flash, left: stock?.flash_left ?? null } : listed.flash;
    // The list does not name the release, so the room's last word on it is the name.
    const named = this.room.state("drop.set", variant).value?.drop ?? null;
    return { onHand: Math.max(listed.on_hand, left), left, opensAt: made ? made.opens_at : drop ? drop.opens_at : listed.opens_at, drop: made?.id ?? named, flash };
  }

  /** Sets how many units this show may sell. The same number twice is once. */
  async stock(variant: string, units: number): Promise<void> {
    await untilAnswered(() => api.putStock(this.id, variant, units), TRIES);
    await this.listing.read();
  }

  /**
   * Plans, moves or (null) opens the release of a variant. The id of a new one is kept until it is answered, so that a
   * lost answer makes no second.
   */
  async open(variant: string, opensAt: string | null): Promise<void> {
    const now = this.stocked(variant);
    const waits = now?.opensAt && Date.parse(now.opensAt) > serverNow();
    const pending = (waits ? now.drop : null) ?? this.orders.get(variant) ?? newId("drp");
    this.orders.set(variant, pending);
    try {
      const drop = await untilAnswered(() => api.putDrop(this.id, pending, { variant, opens_at: opensAt }), TRIES);
      this.orders.delete(variant);
      this.made.value = new Map(this.made.value).set(variant, drop);
    } catch (error) {
      if (!isTransient(error)) this.orders.delete(variant);
      // It opened, or was planned elsewhere, meanwhile: what is true now is read, so that the page shows it beside the words.
      if (isCode(error, "drop_open", "drop_conflict")) this.listing.readSoon(REREAD_MS);
      throw error;
    }
  }

  get roomPhase(): ReadonlySignal<Room["phase"]["value"]> {
    return this.room.phase;
  }

  private listed(variant: string): Variant | null {
    const of = (product: Product): Variant | undefined => product.variants.find(({ id }) => id === variant);
    return this.catalog.value?.products.map(of).find((each) => each) ?? null;
  }

  private async isSupplied(): Promise<boolean> {
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_LIMIT; page++) {
      const { shows, next }: api.ShowPage = await api.suppliedShows(cursor, { signal: this.leave.signal });
      if (shows.some(({ id }) => id === this.id)) return true;
      if (!next) return false;
      cursor = next;
    }
    return false;
  }

  private async allProducts(): Promise<BrandProduct[]> {
    const all: BrandProduct[] = [];
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_LIMIT; page++) {
      const { products, next }: api.BrandProductPage = await api.myProducts(cursor, { signal: this.leave.signal });
      all.push(...products);
      if (!next) break;
      cursor = next;
    }
    return all;
  }

  private forget(variant: string): void {
    const made = new Map(this.made.peek());
    if (made.delete(variant)) this.made.value = made;
  }
}
