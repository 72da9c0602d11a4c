// Price, clock and stock of a product, by the newest word of the server and by its clock.

import type { Product, Variant } from "../../shared/api";
import { serverNow, useDeadlines, useServerNow, clockText } from "../../shared/clock";
import { formatMoney, type Money } from "../../shared/money";
import { priceAt, turnsOf, type Flash, type Price as PriceNow } from "../../shared/price";
import { timeOfDay } from "../../shared/when";
import { Button } from "../../shared/ui/controls";
import type { WatchModel } from "./model";
import type { ShopState, Waiting } from "./shop";

export function leftOf(model: WatchModel, product: Product): number {
  return product.variants.reduce((sum, variant) => sum + model.left(variant), 0);
}

/** What variants cost at this moment; drawn anew the moment that changes. */
function usePrices(model: WatchModel, variants: readonly Variant[]): PriceNow[] {
  const offers = variants.map((variant) => model.offer(variant));
  const counting = offers.some(({ flash, opensAt }) => flash !== null || opensAt !== null);
  const now = useDeadlines(offers.flatMap((offer) => turnsOf(offer, serverNow())), counting);
  return offers.map((offer) => priceAt(offer, now));
}

export function usePrice(model: WatchModel, variant: Variant): PriceNow {
  return usePrices(model, [variant])[0]!;
}

/** The one that speaks for a product: what costs least now. */
function lowest(prices: readonly PriceNow[]): PriceNow {
  return prices.reduce((low, price) => (price.unit.amount < low.unit.amount ? price : low));
}

/** When a product can be bought, if it cannot yet: the first of its variants opens it. */
function opening(prices: readonly PriceNow[]): number | null {
  if (prices.some(({ opensAt }) => opensAt === null)) return null;
  return Math.min(...prices.map(({ opensAt }) => opensAt!));
}

type OfferProps = { model: WatchModel; product: Product };

/** "49.00 29.90 2:14": the standing price struck through, the one that holds, and how long it does. */
export function Price({ model, product }: OfferProps) {
  const prices = usePrices(model, product.variants);
  if (prices.length === 0) return null;
  const price = lowest(prices);
  const differ = prices.some(({ unit }) => unit.amount !== price.unit.amount);
  return (
    <span class="price-line">
      <span class={price.flash ? "price price-now num" : "price num"}>
        {differ && <span class="price-from">from </span>}
        {price.was && <span class="sr-only">now </span>}
        {formatMoney(price.unit)}
      </span>
      {price.was && <Was money={price.was} />}
      {price.flash && <Ends flash={price.flash} />}
      {price.next && <Next flash={price.next} />}
    </span>
  );
}

export function Was({ money }: { money: Money }) {
  return (
    <s class="price-was num">
      <span class="sr-only">instead of </span>
      {formatMoney(money)}
    </s>
  );
}

/** The clock of a flash price. Not read aloud each second: whoever asks for it hears it. */
function Ends({ flash }: { flash: Flash }) {
  return (
    <span class="price-clock num" role="timer" aria-label="This price ends in">
      {clockText(flash.stood ?? flash.endsAt - serverNow())}
      {flash.stood !== null && " waits"}
    </span>
  );
}

function Next({ flash }: { flash: Flash }) {
  return (
    <span class="price-next num">
      {formatMoney(flash.unit)} from {timeOfDay(flash.startsAt)}
    </span>
  );
}

/** "37 left", and how many of them at the flash price. Said aloud only when it is gone: a screen reader must not count down a sale. */
export function Left({ model, product }: OfferProps) {
  const left = leftOf(model, product);
  const prices = usePrices(model, product.variants);
  const capped = prices.length > 0 ? lowest(prices).flash?.left : null;
  return (
    <>
      <span class="left num" role="status" aria-live={left === 0 ? "polite" : "off"}>
        {left > 0 ? `${left} left` : stocked(product) ? "Sold out" : "Not on sale"}
      </span>
      {left > 0 && capped != null && <span class="left left-flash num">{capped} at this price</span>}
    </>
  );
}

/** Whether any of it was ever set aside for this show. */
function stocked(product: Product): boolean {
  return product.variants.some(({ pool }) => pool !== null);
}

type BuyProps = OfferProps & { shop: ShopState; tone?: "buy" | "primary" };

/** One button through all its words: who pressed it finds the focus there again when the sheet closes. */
export function BuyButton({ model, shop, product, tone = "buy" }: BuyProps) {
  const opensAt = opening(usePrices(model, product.variants));
  const waiting = shop.waiting(product);
  useServerNow(waiting ? 1_000 : 0);
  const gone = !waiting && leftOf(model, product) === 0;
  const closed = !waiting && !gone && opensAt !== null;
  const idle = gone || closed;
  const label = waiting || closed ? undefined : gone ? `${product.title} is sold out` : `Buy ${product.title}`;
  return (
    <Button tone={idle ? "plain" : tone} class={closed ? "btn-opens" : ""} aria-disabled={idle} aria-label={label} onClick={() => !idle && shop.open(product)}>
      {waiting ? <Continue waiting={waiting} /> : gone ? stocked(product) ? "Sold out" : "Not on sale" : closed ? <Opens title={product.title} at={opensAt!} /> : "Buy"}
    </Button>
  );
}

function Opens({ title, at }: { title: string; at: number }) {
  return (
    <span class="opens">
      <span class="sr-only">{title}: </span>
      Opens in <span class="num">{clockText(at - serverNow())}</span>
    </span>
  );
}

function Continue({ waiting }: { waiting: Waiting }) {
  if (waiting.expiresAt === null)
    return (
      <span>
        Go on<span class="sr-only"> paying</span>
      </span>
    );
  return (
    <span>
      Pay <span class="num">{clockText(waiting.expiresAt - serverNow())}</span>
    </span>
  );
}
