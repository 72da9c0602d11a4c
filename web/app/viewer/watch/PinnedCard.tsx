import type { Product } from "../../shared/api";
import { BuyButton, Left, Price, leftOf } from "./offer";
import type { WatchModel } from "./model";
import type { ShopState } from "./shop";

/** The product the creator is showing right now. Its Buy button is the one saffron block on the screen. */
export function PinnedCard({ model, shop, product }: { model: WatchModel; shop: ShopState; product: Product }) {
  return (
    <section class="pin" aria-label={`Showing now: ${product.title}`} key={product.id}>
      <img class="pin-picture" src={product.image || "/img/product.svg"} alt="" width="80" height="80" decoding="async" />
      <div class="pin-words">
        <h2>{product.title}</h2>
        <p>
          <Price model={model} product={product} />
          <Left model={model} product={product} />
        </p>
      </div>
      <BuyButton model={model} shop={shop} product={product} tone={leftOf(model, product) === 0 ? "primary" : "buy"} />
    </section>
  );
}
