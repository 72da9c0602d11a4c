import type { Signal } from "@preact/signals";
import { Button } from "../../shared/ui/controls";
import { BagIcon } from "../../shared/ui/icons";
import { Sheet } from "../../shared/ui/sheet";
import { BuyButton, Left, Price } from "./offer";
import type { WatchModel } from "./model";
import type { ShopState } from "./shop";
import { useWide } from "./wide";

type BagProps = { model: WatchModel; shop: ShopState; open: Signal<boolean>; selling: boolean };

/** Everything sold in the show: a list beside the video where there is room, a sheet behind a button where there is not. */
export function Bag({ model, shop, open, selling }: BagProps) {
  const wide = useWide();
  const products = model.catalog.value?.products ?? [];
  if (products.length === 0) return null;
  const list = <BagList model={model} shop={shop} selling={selling} onBuy={() => (open.value = false)} />;
  if (wide)
    return (
      <section class="bag" aria-labelledby="bag-title">
        <h2 id="bag-title">In this show</h2>
        {list}
      </section>
    );
  return (
    <>
      <Button class="bag-open" onClick={() => (open.value = true)} aria-haspopup="dialog">
        <BagIcon />
        <span>
          <span class="num">{products.length}</span> {products.length === 1 ? "product" : "products"}
        </span>
      </Button>
      {open.value && (
        <Sheet title="In this show" onClose={() => (open.value = false)}>
          {list}
        </Sheet>
      )}
    </>
  );
}

function BagList({ model, shop, selling, onBuy }: { model: WatchModel; shop: ShopState; selling: boolean; onBuy: () => void }) {
  const pinned = model.pinned.value?.id;
  return (
    <ul class="bag-list">
      {model.catalog.value?.products.map((product) => (
        <li class="bag-row" key={product.id}>
          <img src={product.image || "/img/product.svg"} alt="" width="64" height="64" loading="lazy" decoding="async" />
          <div class="bag-words">
            <h3>{product.title}</h3>
            <p>
              <Price model={model} product={product} />
              {selling && <Left model={model} product={product} />}
            </p>
            {product.id === pinned && selling && <p class="bag-now">Showing now</p>}
          </div>
          {selling && (
            <span onClickCapture={onBuy}>
              <BuyButton model={model} shop={shop} product={product} tone="primary" />
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}
