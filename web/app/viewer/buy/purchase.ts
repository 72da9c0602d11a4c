// One purchase, from the tap to the receipt. Its ids are made here once and repeated until they are answered, so that
// a double tap, a lost answer or a reloaded page never buys twice and never holds two.

import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { getHold, getOrder, putOrder, releaseHold, type Card, type Hold, type MyDocument, type Money, type Order } from "../../shared/api";
import { serverNow } from "../../shared/clock";
import { ApiError, isCode, isTransient, sleep, untilAnswered } from "../../shared/http";
import { newId } from "../../shared/ids";
import { whoAmI } from "../../shared/session";
import { isLive, isOf, isPaid, type Mine } from "../watch/mine";
import type { Address, Costs } from "../delivery/calls";
import { bankPage } from "./bank";
import { Quote } from "./quote";
import * as slip from "./slip";
import { tapper, whenOpen, type TapLine } from "./tap";

export type Step =
  | "holding"
  | "held"
  | "paying"
  /** Asked, not answered: we go on asking with the same id. */
  | "unsure"
  /** The bank wants to hear from the buyer, on a page of its own. */
  | "bank"
  | "paid"
  | "expired"
  /** Refused for now or for good; `problem` says why. */
  | "refused";

const HOLD_TRIES = 4;
const PAY_TRIES = 5;
const ASK_AGAIN_MS = 2_000; // while nobody answers
/** A bank may think longer than our usual deadline. */
const PAY_TIMEOUT_MS = 30_000;

export interface Payer {
  email: string;
  name: string;
  delivery: Address;
  /** What the page showed, in minor units: another sum is not taken without asking. */
  total: number;
  /** What was typed here; or, instead of it, the name that the provider's own field gave it. */
  card?: Card;
  token?: string;
  /** Keep the address in the account. */
  save?: boolean;
}

/** What a purchase asks its page. */
export interface Counter {
  readonly mine: Mine;
  readonly room: TapLine;
  /** The price that the person sees now: what they are held to, or asked again. */
  price(): Money;
  /** The time of a timed release, also when it has passed; null without one. */
  opensAt(): number | null;
  /** Reads again what things cost. */
  refresh(): Promise<void>;
}

export class Purchase {
  readonly step: Signal<Step> = signal("holding");
  readonly hold: Signal<Hold | null> = signal(null);
  readonly order: Signal<Order | null> = signal(null);
  /** The last refusal: of the hold (step "refused") or of a card (step "held"). */
  readonly problem: Signal<ApiError | null> = signal(null);
  /** Milliseconds on the server's clock. */
  readonly expiresAt: Signal<number> = signal(0);
  /** The price that the server named when it refused another one: the next try is at this, as the person is told. */
  readonly told: Signal<Money | null> = signal(null);
  /** How long is left while the clock stands, because the creator is off the air; null: it runs. */
  readonly stood: Signal<number | null> = signal(null);
  /** How long the hold was when it was made: what a full bar means. */
  readonly length: Signal<number> = signal(1);
  readonly isHeld: ReadonlySignal<boolean> = computed(() => ["held", "paying", "unsure", "bank"].includes(this.step.value));
  readonly quote = new Quote();
  /** What the total was before the server named another one. */
  readonly totalBefore: Signal<Money | null> = signal(null);
  /** The bank's page was opened from here. */
  readonly opened: Signal<boolean> = signal(false);

  private busy = false;
  private asking = false;
  private payer: Payer | null = null;

  constructor(
    readonly show: string,
    readonly variant: string,
    private readonly counter: Counter,
  ) {}

  /** Takes one unit, or finds the one this browser already holds. Called again, it tries again. */
  async take(): Promise<void> {
    if (this.busy || this.isHeld.peek()) return;
    this.busy = true;
    this.step.value = "holding";
    this.problem.value = null;
    try {
      const me = await whoAmI();
      const kept = slip.read(this.variant, me.subject);
      if (kept?.order && (await this.findOrder(kept.order))) return;
      // Held in another tab, or before this one was opened: that one is gone on with, no second one is taken.
      if (!kept) {
        await this.counter.mine.known();
        const found = this.counter.mine.hold(this.show, this.variant);
        if (found && (await this.adopt(found.id, me.subject))) return;
      }
      await this.takeOrFind(kept, me.subject);
    } catch (error) {
      this.refuse(error);
    } finally {
      this.busy = false;
    }
  }

  /**
   * Pays. `make` may have to hand the card to somebody else first, and answers null when nothing came of that; the
   * person has been told then. While an earlier try is unanswered, only that one is asked for again.
   */
  async pay(make: () => Promise<Payer | null>): Promise<void> {
    const hold = this.hold.peek();
    if (this.busy || !hold || this.step.peek() !== "held") return;
    this.busy = true;
    this.step.value = "paying";
    this.problem.value = null;
    const payer = await make().catch(() => null);
    this.busy = false;
    if (!payer) {
      this.step.value = "held";
      return;
    }
    // The id is written down before it is sent: a page that dies now finds its order again.
    const id = newId("ord");
    slip.write(this.variant, { subject: slip.subjectOf(this.variant), hold: hold.id, order: id });
    this.payer = payer;
    this.opened.value = false;
    await this.send(id, hold);
  }

  /** After "unsure": asks once more with the same id, which can only repeat the answer. */
  async askAgain(): Promise<void> {
    const hold = this.hold.peek();
    const id = slip.read(this.variant, slip.subjectOf(this.variant))?.order;
    if (this.busy || !hold || !id || this.step.peek() !== "unsure") return;
    await this.send(id, hold);
  }

  /** Gives the unit back to the others at once. */
  async release(): Promise<void> {
    const hold = this.hold.peek();
    if (this.busy || !hold || this.step.peek() !== "held") return;
    this.step.value = "expired";
    slip.remove(this.variant);
    // Unheard, the hold ends by its own time.
    await untilAnswered(() => releaseHold(hold.id), HOLD_TRIES).catch(() => undefined);
  }

  /** The clock reached the end. The server is the judge, and may have moved it; while nobody answers, nothing is over. */
  async runOut(): Promise<void> {
    const hold = this.hold.peek();
    if (!hold || this.asking || this.busy || this.step.peek() !== "held") return;
    this.asking = true;
    try {
      const now = await getHold(hold.id);
      if (now.state !== "held") return this.lapse();
      this.stand(now);
    } catch (error) {
      if (!isTransient(error)) return this.lapse();
      await sleep(ASK_AGAIN_MS);
    } finally {
      this.asking = false;
    }
  }

  /** It is over. A payment under way keeps its unit. */
  lapse(): void {
    if (this.step.peek() !== "held" || this.busy) return;
    slip.remove(this.variant);
    this.step.value = "expired";
  }

  /** While the bank waits for its buyer: asks, quietly, what came of it. */
  async look(): Promise<void> {
    const order = this.order.peek();
    if (this.busy || !order || this.step.peek() !== "bank") return;
    this.busy = true;
    try {
      await this.settle(await getOrder(order.id));
    } catch (error) {
      // Not heard: the next look tells. The page says so meanwhile.
      if (!isTransient(error)) throw error;
      this.problem.value = error as ApiError;
    } finally {
      this.busy = false;
    }
  }

  /** What the person's document says now: paid, refused, renewed or given up elsewhere. */
  learn(document: MyDocument): void {
    const hold = this.hold.peek();
    if (!hold || this.busy || !(this.isHeld.peek() || isCode(this.problem.peek(), "paying_elsewhere", "order_conflict"))) return;
    const orders = document.orders.filter((each) => each.hold === hold.id);
    const order = orders.find(isPaid) ?? orders.find(({ id }) => id === this.order.peek()?.id) ?? orders.find(({ state }) => state !== "cancelled");
    if (order && (isPaid(order) || this.step.peek() === "bank")) return void this.settle(order);
    if (order && this.step.peek() === "held" && order.state !== "cancelled") {
      slip.write(this.variant, { subject: slip.subjectOf(this.variant), hold: hold.id, order: order.id });
      this.payer = null;
      return void this.settle(order);
    }
    const now = document.holds.find(({ id }) => id === hold.id);
    if (now) this.stand(now);
    else void this.recheck(hold);
  }

  /** The document does not name our hold. It may have been read before the hold was made, so the hold itself is asked. */
  private async recheck(hold: Hold): Promise<void> {
    const now = await getHold(hold.id).catch((error: unknown) => (isTransient(error) ? hold : null));
    if (now && (isLive(now) || now.state === "sold")) return;
    this.lapse();
  }

  /** Goes on with a hold that this tab did not make. false: it is over. */
  private async adopt(id: string, subject: string): Promise<boolean> {
    const hold = await untilAnswered(() => getHold(id), HOLD_TRIES).catch((error: unknown) => {
      if (isTransient(error)) throw error;
      return null;
    });
    if (!hold || !isLive(hold) || !isOf(hold, this.variant)) return false;
    slip.write(this.variant, { subject, hold: hold.id });
    this.accept(hold);
    if (hold.state === "held") return true;
    const order = this.counter.mine.orderOf(hold.id);
    if (!order) throw new ApiError(409, "paying_elsewhere", "You are paying for this one in another tab or on another device.");
    slip.write(this.variant, { subject, hold: hold.id, order: order.id });
    await this.settle(order);
    return true;
  }

  private async takeOrFind(known: slip.Slip | null, subject: string): Promise<void> {
    const id = known?.hold ?? newId("hld");
    // What the person saw is written down with the id: asked again, it is the same question.
    const unit = known?.unit ?? this.told.peek() ?? this.counter.price();
    slip.write(this.variant, { subject, hold: id, unit });
    try {
      const ask = tapper(this.counter.room, id, { show: this.show, variant: this.variant, quantity: 1, unit: unit.amount });
      const hold = await whenOpen(this.counter.opensAt(), () => untilAnswered(ask, HOLD_TRIES));
      // Answered again for an id of before: only a unit that is still promised may be called yours.
      if (!isLive(hold)) throw new ApiError(410, "hold_expired", "That hold has ended.");
      this.accept(hold);
    } catch (error) {
      // Not transient: the server has judged this id, so it must not be asked again.
      if (!isTransient(error)) slip.remove(this.variant);
      // An old id from before: its time is over, but a new tap deserves a new hold.
      if (known && isCode(error, "hold_expired", "hold_conflict")) return this.takeOrFind(null, subject);
      // The next question is about what it costs now, whether or not the room has told us yet.
      if (isCode(error, "price_changed")) {
        this.told.value = priceIn(error as ApiError);
        if (!this.told.peek()) await this.counter.refresh();
      }
      // Nobody is locked out by their own hold: it is gone on with.
      const own = isCode(error, "limit_reached") ? (error as ApiError).problem.hold : undefined;
      if (typeof own === "string" && (await this.adopt(own, subject))) return;
      throw error;
    }
  }

  private accept(hold: Hold): void {
    this.hold.value = hold;
    this.told.value = null;
    this.stand(hold);
    this.step.value = "held";
  }

  private stand(hold: Hold): void {
    this.extend(serverNow() + hold.left_ms, hold.expires_at);
    this.stood.value = hold.stands ? hold.left_ms : null;
  }

  private extend(fallback: number, at: unknown): void {
    const parsed = typeof at === "string" ? Date.parse(at) : NaN;
    const ends = Number.isFinite(parsed) ? parsed : fallback;
    this.expiresAt.value = ends;
    this.length.value = Math.max(this.length.peek(), ends - serverNow(), 1);
  }

  private async send(id: string, hold: Hold): Promise<void> {
    const payer = this.payer;
    this.busy = true;
    this.step.value = "paying";
    this.problem.value = null;
    try {
      const order = payer
        ? await untilAnswered(() => putOrder(id, { hold: hold.id, ...payer }, { timeoutMs: PAY_TIMEOUT_MS }), PAY_TRIES)
        : await untilAnswered(() => getOrder(id), PAY_TRIES);
      await this.settle(order);
    } catch (error) {
      await this.unpaid(error, hold);
    } finally {
      this.busy = false;
    }
  }

  private async settle(order: Order): Promise<void> {
    if (order.state === "cancelled") return this.cancelled(order);
    this.order.value = order;
    if (order.state === "pending" || order.state === "authorised") {
      this.problem.value = null;
      this.step.value = bankPage(order) ? "bank" : "unsure";
      return;
    }
    this.step.value = "paid";
    slip.remove(this.variant);
  }

  /** An order that came to nothing: the bank said no, or nobody answered it in time. The hold may still be ours. */
  private async cancelled(order: Order): Promise<void> {
    this.order.value = null;
    const hold = await getHold(order.hold).catch((error: unknown) => (isTransient(error) ? this.hold.peek() : null));
    this.problem.value =
      order.payment.state === "declined"
        ? new ApiError(402, "card_declined", "Your bank said no.", null, { reason: order.payment.decline })
        : new ApiError(409, "order_cancelled", "The payment did not go through and nothing was taken. You can try again.");
    if (!hold || hold.state !== "held") {
      slip.remove(this.variant);
      this.step.value = "expired";
      return;
    }
    slip.write(this.variant, { subject: slip.subjectOf(this.variant), hold: hold.id });
    this.accept(hold);
  }

  private async unpaid(error: unknown, hold: Hold): Promise<void> {
    if (isTransient(error) && !isCode(error, "payments_not_configured")) {
      this.problem.value = error as ApiError;
      this.step.value = "unsure";
      return;
    }
    slip.write(this.variant, { subject: slip.subjectOf(this.variant), hold: hold.id });
    this.problem.value = asApiError(error);
    if (isCode(error, "total_changed")) {
      this.totalBefore.value = this.quote.costs.peek()?.total ?? null;
      const costs = (error as ApiError).problem.costs as Costs | undefined;
      if (costs) this.quote.learn(costs);
      else await this.quote.again();
    }
    if (isCode(error, "hold_expired")) {
      slip.remove(this.variant);
      this.step.value = "expired";
      return;
    }
    // Declined: the unit is still ours, perhaps with a later end than before.
    if (isCode(error, "card_declined", "card_invalid")) {
      const fresh = await getHold(hold.id).catch(() => null);
      this.extend(fresh ? Date.parse(fresh.expires_at) : this.expiresAt.peek(), (error as ApiError).problem.expires_at ?? fresh?.expires_at);
    }
    this.step.value = "held";
  }

  /** An order of an earlier life of this page. */
  private async findOrder(id: string): Promise<boolean> {
    const order = await untilAnswered(() => getOrder(id), HOLD_TRIES).catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 404) return null; // It never arrived.
      throw error;
    });
    if (!order || order.state === "cancelled") return false;
    this.hold.value = await getHold(order.hold).catch(() => null);
    this.payer = null;
    await this.settle(order);
    return true;
  }

  private refuse(error: unknown): void {
    this.problem.value = asApiError(error);
    this.step.value = isCode(error, "hold_expired") ? "expired" : "refused";
  }
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, "page_error", "Something on this page went wrong. Nothing was taken; please try again.");
}

/** The price that a refusal names. */
function priceIn(error: ApiError): Money | null {
  const { amount, currency } = (error.problem.price ?? {}) as Partial<Money>;
  return typeof amount === "number" && typeof currency === "string" ? { amount, currency } : null;
}
