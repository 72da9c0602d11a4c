// One show as its page knows it: what HTTP said, overtaken by what the room says. Components draw it; they decide nothing.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { getProducts, getShow, type Catalog, type Product, type Show, type Variant } from "../../shared/api";
import { ChatLog } from "../../shared/chat/log";
import { ApiError } from "../../shared/http";
import { Listing } from "../../shared/listing";
import type { Offer } from "../../shared/price";
import { me, onOtherTab, whoAmI } from "../../shared/session";
import { Room } from "../../shared/realtime";
import { Watcher } from "../../shared/whep";
import { Mine } from "./mine";
import type { Pins } from "./pins";

/** What the stage shows. */
export type Scene =
  | "loading"
  /** Loading failed; `failure` says why. */
  | "failed"
  | "unknown"
  | "upcoming"
  | "connecting"
  | "live"
  /** Live, but the creator's line is down: the last picture stays under a slate. */
  | "dropped"
  /** Live, and so many come that we wait until the server takes us. */
  | "in_line"
  /** Live, but our own line is down. */
  | "reconnecting"
  | "ended"
  /** The server will not let this person watch; `refused` says why. */
  | "refused";

/** Pages of one show that hear of a change ask again within this time, not all in the same instant. */
const REFETCH_SPREAD_MS = 1_500;

export class WatchModel {
  readonly show: Signal<Show | null> = signal(null);
  readonly catalog: Signal<Catalog | null>;
  readonly failure: Signal<unknown> = signal(null);
  readonly room: Room;
  readonly watcher: Watcher;
  readonly chat: ChatLog;
  readonly mine: Mine;
  /** People watching, as the server last said; null before it did. */
  readonly viewers: ReadonlySignal<number | null>;
  readonly scene: ReadonlySignal<Scene>;
  readonly pinned: ReadonlySignal<Product | null>;
  /** The page lost the room: numbers on it may be old. */
  readonly stale: ReadonlySignal<boolean>;

  /** What the card shows; null: nothing; undefined: the room has not said yet. */
  private readonly card: Signal<string | null | undefined> = signal(undefined);
  private pins: Pins | null = null;
  private readonly listing: Listing;
  private readonly leave = new AbortController();
  private readonly release: (() => void)[] = [];
  /** Since which version a variant has had the flash price that it has. */
  private readonly flashes = new Map<string, { id: string | null; since: number }>();

  constructor(readonly id: string) {
    this.room = new Room(id);
    this.listing = new Listing(id, this.room);
    this.catalog = this.listing.catalog;
    this.chat = new ChatLog(this.room, () => me.peek() && { subject: me.peek()!.subject, name: me.peek()!.account?.name ?? "" });
    this.mine = new Mine(this.room);
    this.viewers = computed(() => this.room.state("viewers.set", "").value?.count ?? null);
    this.watcher = new Watcher(`/whep/${encodeURIComponent(id)}`);
    this.scene = computed(() => this.judgeScene());
    this.pinned = computed(() => {
      const pin = this.card.value;
      const id = pin === undefined ? this.catalog.value?.pinned : pin;
      return this.catalog.value?.products.find((product) => product.id === id) ?? null;
    });
    this.stale = computed(() => this.show.value !== null && this.room.phase.value === "waiting");
  }

  start(): void {
    this.release.push(
      this.room.on("catalog.set", () => this.reread()),
      // A pin of something we have not read yet: the list we hold is old.
      this.room.on("pin.set", (pin) => {
        const { product } = pin;
        if (this.pins) this.pins.take(pin);
        else this.card.value = product;
        if (product && !this.catalog.peek()?.products.some((p) => p.id === product)) this.reread();
      }),
      this.room.on("price.set", ({ variant, flash }) => {
        const id = flash?.id ?? null;
        if (this.flashes.get(variant)?.id !== id) this.flashes.set(variant, { id, since: this.room.version("price.set", variant) });
      }),
      this.room.on("show.state", (state) => this.follow(state.state, state.on_air)),
      // What is said and bought over the line is this person's, as what goes over HTTP is.
      onOtherTab(() => this.room.again()),
      this.room.phase.subscribe((phase) => {
        // Coming back after a loss may mean that the server restarted: video without packets is then dead, too.
        if (phase === "joined") this.watcher.suspect();
      }),
    );
    void this.load();
  }

  stop(): void {
    this.leave.abort();
    for (const off of this.release) off();
    this.listing.close();
    this.chat.close();
    this.mine.close();
    this.room.close();
    this.watcher.stop();
  }

  /** Pins wait for this picture from now on, until what is returned is called. Without it they show at once. */
  alignPins(video: HTMLVideoElement): () => void {
    let off: (() => void) | null = () => undefined;
    // Not needed before the first picture.
    void import("./pins")
      .then(({ Pins }) => off && (off = (this.pins = new Pins(this.card)).follow(video, () => this.watcher.timestamp())))
      .catch(() => undefined);
    return () => {
      off?.();
      off = this.pins = null;
    };
  }

  /** Price, flash price and opening of a variant, each by the newer of list and room. */
  offer(variant: Variant): Offer {
    const price = this.listing.newest("price.set", variant.id);
    const drop = this.listing.newest("drop.set", variant.id);
    const flash = price ? (price.flash ?? null) : variant.flash;
    return {
      standing: price ? { amount: price.amount, currency: price.currency } : variant.price,
      flash,
      flashLeft: flash && this.flashLeft(variant, flash.id),
      opensAt: drop ? drop.opens_at : variant.opens_at,
    };
  }

  /** Units left, by the newer of list and room. */
  left({ id, left }: Variant): number {
    return this.listing.newest("stock.set", id)?.left ?? left;
  }

  /** The list may be older than what the server judged by: reads it again. */
  refresh(): Promise<void> {
    return this.listing.read();
  }

  /** What belongs to this show and was made later ends with it. */
  whenStopped(end: () => void): void {
    this.release.push(end);
  }

  retry = (): void => {
    this.failure.value = null;
    void this.load();
  };

  /** A count that was made before this flash price began belongs to another one. */
  private flashLeft(variant: Variant, flash: string): number | null {
    const stock = this.listing.newest("stock.set", variant.id);
    if (!stock) return variant.flash?.id === flash ? variant.flash.left : null;
    const known = this.flashes.get(variant.id);
    const since = known?.id === flash ? known.since : 0;
    return this.room.version("stock.set", variant.id) >= since ? (stock.flash_left ?? null) : null;
  }

  private async load(): Promise<void> {
    const options = { signal: this.leave.signal };
    try {
      // The guest's cookie comes first, so that room and video know this person from the start.
      await whoAmI();
      const [show, catalog] = await Promise.all([getShow(this.id, options), getProducts(this.id, options)]);
      batch(() => {
        this.show.value = show;
        this.catalog.value = catalog;
      });
      if (show.state === "ended") return;
      this.room.open();
      this.follow(show.state, show.on_air);
    } catch (error) {
      if (!this.leave.signal.aborted) this.failure.value = error;
    }
  }

  private follow(state: Show["state"], onAir: boolean): void {
    const known = this.show.peek();
    if (known && (known.state !== state || known.on_air !== onAir)) this.show.value = { ...known, state, on_air: onAir };
    if (state === "ended") this.watcher.stop();
    else if (onAir || state === "live") {
      this.watcher.start();
      if (onAir) this.watcher.kick();
    }
  }

  private reread(): void {
    this.listing.readSoon(Math.random() * REFETCH_SPREAD_MS);
  }

  private judgeScene(): Scene {
    const failure = this.failure.value;
    if (failure instanceof ApiError && (failure.status === 404 || failure.status === 422)) return "unknown";
    if (this.room.closeReason.value === "unknown_room") return "unknown";
    if (failure) return "failed";
    const show = this.show.value;
    if (!show) return "loading";
    const video = this.watcher.phase.value;
    const closed = this.room.closeReason.value;
    if (show.state === "ended" || video === "ended" || closed === "room_closed") return "ended";
    if (video === "refused" || closed === "forbidden") return "refused";
    if (show.state === "scheduled" && !show.on_air) return "upcoming";
    if (!show.on_air) return "dropped";
    if (video === "playing") return "live";
    return video === "reconnecting" || video === "in_line" ? video : "connecting";
  }
}
