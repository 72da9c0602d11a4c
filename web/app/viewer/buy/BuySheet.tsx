import { useEffect, useMemo, useState } from "preact/hooks";
import type { Product, Variant } from "../../shared/api";
import { isTransient } from "../../shared/http";
import { formatMoney } from "../../shared/money";
import { priceAt } from "../../shared/price";
import { clockText, serverNow } from "../../shared/clock";
import { Button } from "../../shared/ui/controls";
import { Sheet } from "../../shared/ui/sheet";
import { Spinner } from "../../shared/ui/spinner";
import type { WatchModel } from "../watch/model";
import { Was, usePrice } from "../watch/offer";
import type { ShopState } from "../watch/shop";
import { detailsOf, type Details } from "../delivery/details";
import { readCountries } from "../delivery/countries";
import { BankButton, BankStep } from "./BankStep";
import { Outcome, wordsFor } from "./Outcome";
import { PayButton, PayForm } from "./PayForm";
import { Purchase } from "./purchase";
import { Receipt } from "./Receipt";
import { goodsOf } from "./words";
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
      {product.variants.map((variant) => (
        <ChoiceRow key={variant.id} model={model} variant={variant} onChoose={onChoose} />
      ))}
    </ul>
  );
}

function ChoiceRow({ model, variant, onChoose }: { model: WatchModel; variant: Variant; onChoose: (variant: Variant) => void }) {
  const { unit, was, opensAt } = usePrice(model, variant);
  const left = model.left(variant);
  const idle = left === 0 || opensAt !== null;
  return (
    <li>
      <Button wide aria-disabled={idle} onClick={() => !idle && onChoose(variant)}>
        <span>{variant.title}</span>
        <span class="num">
          {formatMoney(unit)} {was && <Was money={was} />}
        </span>
        <span class="left num">{left === 0 ? "Sold out" : opensAt !== null ? `Opens in ${clockText(opensAt - serverNow())}` : `${left} left`}</span>
      </Button>
    </li>
  );
}

type BuyingProps = BuyProps & { variant: Variant; onBack: (() => void) | undefined };

function Buying({ model, shop, product, variant, onBack }: BuyingProps) {
  const purchase = useMemo(() => {
    const known = shop.purchases.peek().get(variant.id);
    if (known?.isHeld.peek()) return known;
    return new Purchase(model.id, variant.id, {
      mine: model.mine,
      room: model.room,
      price: () => priceAt(model.offer(latest(model, variant)), serverNow()).unit,
      opensAt: () => opened(model.offer(latest(model, variant)).opensAt),
      refresh: () => model.refresh(),
    });
  }, [shop, model, variant.id]);

  useEffect(() => {
    shop.remember(variant.id, purchase);
    void purchase.take();
  }, [shop, variant.id, purchase]);

  // Said on the page: "we go on as soon as your connection is back".
  useEffect(() => {
    const back = (): void => {
      if (purchase.step.peek() === "refused" && isTransient(purchase.problem.peek())) void purchase.take();
    };
    addEventListener("online", back);
    return () => removeEventListener("online", back);
  }, [purchase]);

  const [details, setDetails] = useState<Details | null>(null);
  // Read while the unit is being held, so that neither waits for the other.
  useEffect(() => {
    void readCountries();
    detailsOf().then((mine) => (void mine.read(), setDetails(mine)), () => undefined);
  }, [purchase]);

  const price = usePrice(model, latest(model, variant));
  const step = purchase.step.value;
  const close = (): void => {
    if (!purchase.isHeld.peek()) shop.forget(variant.id);
    shop.close();
  };
  const order = purchase.order.value;
  const held = step === "held" || step === "paying" || step === "unsure";
  useEffect(() => {
    if (step === "paid" && order) shop.told(order);
  }, [shop, step, order]);
  const goods = goodsOf(product, purchase.hold.value);
  const words = wordsFor(purchase, goods, price);
  const title = step === "holding" ? product.title : held ? "Yours, for now" : step === "bank" ? "Confirm with your bank" : step === "paid" ? "It is yours" : words.title;
  const footer = held ? (
    <PayButton purchase={purchase} />
  ) : step === "bank" ? (
    <BankButton purchase={purchase} />
  ) : step === "paid" ? (
    <Button tone="primary" wide onClick={close}>
      Back to the show
    </Button>
  ) : undefined;
  return (
    <Sheet title={title} onClose={close} footer={footer}>
      <p class="sr-only" aria-live="polite">
        {said(purchase, goods)}
      </p>
      {step === "holding" && (
        <p class="buy-wait" role="status">
          <Spinner />
          Holding one for you at {formatMoney(purchase.told.value ?? price.unit)}
        </p>
      )}
      {held && details && <PayForm purchase={purchase} product={goods} variant={variant} details={details} standing={price.was ?? price.unit} />}
      {step === "bank" && <BankStep purchase={purchase} product={goods} />}
      {step === "paid" && order && <Receipt order={order} product={product} />}
      {(step === "expired" || step === "refused") && <Outcome purchase={purchase} words={words} onClose={close} onBack={onBack} />}
    </Sheet>
  );
}

/** What somebody who does not see the sheet must hear of it; refusals and errors are alerts of their own. */
function said(purchase: Purchase, product: Product): string {
  const total = purchase.quote.costs.value?.total;
  switch (purchase.step.value) {
    case "held":
      return total ? `${product.title} is held for you. With delivery it comes to ${formatMoney(total)}.` : `${product.title} is held for you.`;
    case "paying":
      return "Asking your bank.";
    case "bank":
      return "Your bank wants to know that it is you. Open its page with the button below.";
    case "paid":
      return `Paid: ${product.title} is bought.`;
  }
  return "";
}

/** The variant as the list has it now: it may have been read again since the sheet was opened. */
function latest(model: WatchModel, variant: Variant): Variant {
  for (const product of model.catalog.value?.products ?? []) {
    const found = product.variants.find(({ id }) => id === variant.id);
    if (found) return found;
  }
  return variant;
}

function opened(at: string | null): number | null {
  const time = at === null ? NaN : Date.parse(at);
  return Number.isFinite(time) ? time : null;
}
