import { useEffect, useMemo, useState } from "preact/hooks";
import type { Product, Variant } from "../../shared/api";
import { formatMoney } from "../../shared/money";
import { Button } from "../../shared/ui/controls";
import { Sheet } from "../../shared/ui/sheet";
import { Spinner } from "../../shared/ui/spinner";
import type { WatchModel } from "../watch/model";
import type { ShopState } from "../watch/shop";
import { Outcome, wordsFor } from "./Outcome";
import { PayButton, PayForm } from "./PayForm";
import { Purchase } from "./purchase";
import { Receipt } from "./Receipt";
import "./buy.css";

type BuyProps = { model: WatchModel; shop: ShopState; product: Product };

/** From "Buy" to the receipt. The video goes on behind it, and closing it keeps what is held. */
export default function BuySheet({ model, shop, product }: BuyProps) {
  const only = product.variants.length === 1 ? product.variants[0] : undefined;
  const waiting = shop.waiting(product);
  const [chosen, choose] = useState<Variant | undefined>(product.variants.find((v) => v.id === waiting?.variant) ?? only);
  if (!chosen)
    return (
      <Sheet title={product.title} onClose={() => shop.close()}>
        <Choice model={model} product={product} onChoose={choose} />
      </Sheet>
    );
  return <Buying key={chosen.id} shop={shop} model={model} product={product} variant={chosen} onBack={only ? undefined : () => choose(undefined)} />;
}

function Choice({ model, product, onChoose }: { model: WatchModel; product: Product; onChoose: (variant: Variant) => void }) {
  return (
    <ul class="choice" aria-label="Choose one">
      {product.variants.map((variant) => {
        const left = model.left(variant.id, variant.left);
        return (
          <li key={variant.id}>
            <Button wide aria-disabled={left === 0} onClick={() => left > 0 && onChoose(variant)}>
              <span>{variant.title}</span>
              <span class="num">{formatMoney(model.price(variant.id, variant.price))}</span>
              <span class="left num">{left === 0 ? "Sold out" : `${left} left`}</span>
            </Button>
          </li>
        );
      })}
    </ul>
  );
}

type BuyingProps = BuyProps & { variant: Variant; onBack: (() => void) | undefined };

function Buying({ model, shop, product, variant, onBack }: BuyingProps) {
  const purchase = useMemo(() => {
    const known = shop.purchases.peek().get(variant.id);
    return known?.isHeld.peek() ? known : new Purchase(model.id, variant.id);
  }, [shop, model.id, variant.id]);

  useEffect(() => {
    shop.remember(variant.id, purchase);
    void purchase.take();
  }, [shop, variant.id, purchase]);

  const step = purchase.step.value;
  const close = (): void => {
    if (!purchase.isHeld.peek()) shop.forget(variant.id);
    shop.close();
  };
  const order = purchase.order.value;
  const held = step === "held" || step === "paying" || step === "unsure";
  const words = wordsFor(purchase, product);
  const title = step === "holding" ? product.title : held ? "Yours, for now" : step === "paid" ? "It is yours" : words.title;
  const footer = held ? (
    <PayButton purchase={purchase} variant={variant} />
  ) : step === "paid" ? (
    <Button tone="primary" wide onClick={close}>
      Back to the show
    </Button>
  ) : undefined;
  return (
    <Sheet title={title} onClose={close} footer={footer}>
      {step === "holding" && (
        <p class="buy-wait" role="status">
          <Spinner />
          Holding one for you
        </p>
      )}
      {held && <PayForm purchase={purchase} product={product} variant={variant} />}
      {step === "paid" && order && <Receipt order={order} product={product} />}
      {(step === "expired" || step === "refused") && <Outcome purchase={purchase} words={words} onClose={close} onBack={onBack} />}
    </Sheet>
  );
}
