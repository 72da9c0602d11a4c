import type { Signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Product } from "../../shared/api";
import { Button, LinkButton } from "../../shared/ui/controls";
import { BagIcon } from "../../shared/ui/icons";
import { lazyPart } from "../lazy";
import { BuyButton, Left, Price } from "./offer";
import type { WatchModel } from "./model";
import type { ShopState } from "./shop";
import { useWide } from "./wide";

const BagSheet = lazyPart(() => import("./BagSheet"));

type BagProps = { model: WatchModel; shop: ShopState; open: Signal<boolean>; selling: boolean; folded: boolean };

/** Everything sold in the show: a list beside or below the picture, or behind a button when the picture takes the whole screen. */
export function Bag({ model, shop, open, selling, folded }: BagProps) {
  const wide = useWide();
  useEffect(() => BagSheet.preload(), []);
  const products = model.catalog.value?.products ?? [];
  if (products.length === 0) return null;
  if (wide || !folded) {
    // The pinned one stands right above, larger.
    const pinned = selling ? model.pinned.value : null;
    const rest = products.filter((product) => product !== pinned);
    if (rest.length === 0) return <LedgerLink show={model.id} />;
    return (
      <section class="bag" aria-labelledby="bag-title">
        <h2 id="bag-title">{pinned ? "Also in this show" : "In this show"}</h2>
        <BagList model={model} shop={shop} products={rest} selling={selling} />
        <LedgerLink show={model.id} />
      </section>
    );
  }
  return (
    <>
      <Button class="bag-open" onClick={() => (open.value = true)} aria-haspopup="dialog">
        <BagIcon />
        <span>
          <span class="num">{products.length}</span>
          <span class="sr-only"> {products.length === 1 ? "product" : "products"}</span>
        </span>
      </Button>
      {open.value && (
        <BagSheet onClose={() => (open.value = false)}>
          <BagList model={model} shop={shop} products={products} selling={selling} onBuy={() => (open.value = false)} />
          <LedgerLink show={model.id} />
        </BagSheet>
      )}
    </>
  );
}

/** For who wants to see that nothing is sold twice. In a window of its own: the show goes on. */
function LedgerLink({ show }: { show: string }) {
  return (
    <LinkButton tone="quiet" href={`/s/${show}/ledger`} target="_blank" rel="noopener">
      Public stock ledger
    </LinkButton>
  );
}

type ListProps = { model: WatchModel; shop: ShopState; products: Product[]; selling: boolean; onBuy?: () => void };

function BagList({ model, shop, products, selling, onBuy }: ListProps) {
  const pinned = model.pinned.value?.id;
  return (
    <ul class="bag-list">
      {products.map((product) => (
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
