// Price and stock of a product, by the newest word of the server.

import type { Product } from "../../shared/api";
import { serverNow, useServerNow, clockText } from "../../shared/clock";
import { formatMoney } from "../../shared/money";
import { Button } from "../../shared/ui/controls";
import type { Purchase } from "../buy/purchase";
import type { WatchModel } from "./model";
import type { ShopState } from "./shop";

export function leftOf(model: WatchModel, product: Product): number {
  return product.variants.reduce((sum, variant) => sum + model.left(variant.id, variant.left), 0);
}

export function Price({ model, product }: { model: WatchModel; product: Product }) {
  const prices = product.variants.map((variant) => model.price(variant.id, variant.price));
  const lowest = prices.reduce((low, price) => (price.amount < low.amount ? price : low), prices[0] ?? { amount: 0, currency: "EUR" });
  const differ = prices.some((price) => price.amount !== lowest.amount);
  return (
    <span class="price num">
      {differ && <span class="price-from">from </span>}
      {formatMoney(lowest)}
    </span>
  );
}

/** "37 left". Said aloud only when it is gone: a screen reader must not count down a sale. */
export function Left({ model, product }: { model: WatchModel; product: Product }) {
  const left = leftOf(model, product);
  return (
    <span class="left num" role="status" aria-live={left === 0 ? "polite" : "off"}>
      {left === 0 ? "Sold out" : `${left} left`}
    </span>
  );
}

type BuyProps = { model: WatchModel; shop: ShopState; product: Product; tone?: "buy" | "primary" };

/** One button through all its words: who pressed it finds the focus there again when the sheet closes. */
export function BuyButton({ model, shop, product, tone = "buy" }: BuyProps) {
  const waiting = shop.waiting(product);
  useServerNow(waiting ? 1_000 : 0);
  const gone = !waiting && leftOf(model, product) === 0;
  return (
    <Button tone={gone ? "plain" : tone} aria-disabled={gone} aria-label={waiting ? undefined : gone ? `${product.title} is sold out` : `Buy ${product.title}`} onClick={() => !gone && shop.open(product)}>
      {waiting ? <Continue purchase={waiting} /> : gone ? "Sold out" : "Buy"}
    </Button>
  );
}

function Continue({ purchase }: { purchase: Purchase }) {
  return (
    <span>
      Pay <span class="num">{clockText(purchase.expiresAt.value - serverNow())}</span>
    </span>
  );
}
