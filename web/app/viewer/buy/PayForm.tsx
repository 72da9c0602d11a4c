import { useEffect, useRef, useState } from "preact/hooks";
import type { Product, Variant } from "../../shared/api";
import { serverNow } from "../../shared/clock";
import { formatMoney, type Money } from "../../shared/money";
import { me } from "../../shared/session";
import { Button } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { countryName } from "../../shared/address";
import { FIELDS, type AddressErrors } from "../delivery/address";
import type { Costs } from "../delivery/calls";
import { CostRows } from "../delivery/CostLines";
import type { DetailErrors, Details } from "../delivery/details";
import { lazyPart } from "../lazy";
import { Was } from "../watch/offer";
import { bankPage, mayOpenByItself, openBank } from "./bank";
import { cardOf, checkCard, type CardErrors, type CardForm } from "./card";
import { CardFields } from "./CardFields";
import { DetailFields } from "./Details";
import { HoldTimer } from "./HoldTimer";
import type { CardField } from "./StripeCard";
import { Problem } from "./Problem";
import type { Payer, Purchase } from "./purchase";
import { TestCards } from "./TestCards";
import { fieldErrors } from "./words";

type PayProps = { purchase: Purchase; product: Product; variant: Variant; details: Details; /** What it costs without the price that was held. */ standing: Money };

/** As they stand on the page: the first that is wrong gets the focus. */
const ORDER = ["email", ...FIELDS, "number", "expiry", "cvc"] as const;

const ASK_AGAIN_MS = 4_000;

/** Where Stripe takes the payments, it takes the card as well. */
const StripeCard = lazyPart(() => import("./StripeCard"));

const EMPTY: CardForm = { number: "", expiry: "", cvc: "" };

export function PayForm({ purchase, product, variant, details, standing }: PayProps) {
  const [card, setCard] = useState<CardForm>(EMPTY);
  const [errors, setErrors] = useState<CardErrors>({});
  const element = useRef<HTMLFormElement>(null);
  const field = useRef<CardField | null>(null);
  const stripe = me.value?.provider === "stripe" ? me.value.card_key : null;
  const change = (fields: Partial<CardForm>): void => {
    setCard((old) => ({ ...old, ...fields }));
    // A complaint goes as soon as its cause is touched; it comes back at the next try if it is still true.
    setErrors((old) => Object.fromEntries(Object.entries(old).filter(([name]) => !(name in fields))));
  };
  const step = purchase.step.value;
  const hold = purchase.hold.value;
  const asking = step === "paying";
  // Not disabled: that would take the focus away and hide from a screen reader what is being paid with.
  const frozen = asking || step === "unsure";

  useQuote(purchase, details);
  useEffect(() => void details.read(), [details]);

  // An answer that did not come is asked for again without a tap: the same id can only repeat it.
  useEffect(() => {
    if (step !== "unsure") return;
    const timer = setTimeout(() => void purchase.askAgain(), ASK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [step, purchase]);

  const focusFirst = (wrong: DetailErrors & CardErrors): void => {
    const first = ORDER.find((name) => wrong[name]);
    // Drawn first: a folded address has no fields yet.
    if (first) requestAnimationFrame(() => element.current?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus());
  };

  // What the server says is wrong with a field stands at the field.
  const problem = purchase.problem.value;
  useEffect(() => {
    const wrong = step === "held" && fieldErrors(problem, countryName(details.address.peek().country));
    if (!wrong) return;
    details.complain(wrong as AddressErrors);
    focusFirst(wrong);
  }, [problem, step]);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (step === "unsure") return void purchase.askAgain();
    const wrongDetails = details.check();
    const wrongCard = stripe ? {} : checkCard(card, serverNow());
    details.complain(wrongDetails);
    setErrors(wrongCard);
    const wrong = { ...wrongDetails, ...wrongCard };
    const typed = !stripe || field.current?.ready(Object.keys(wrong).length === 0) === true;
    if (Object.keys(wrong).length > 0) return focusFirst(wrong);
    // A field that says what is missing has gone there by itself; one that is not there cannot.
    if (!typed) return field.current ? undefined : element.current?.querySelector(".stripe-box")?.scrollIntoView({ block: "center" });
    const total = purchase.quote.costs.peek()?.total;
    // Nothing is paid that was not seen before: the button then says what it comes to.
    if (!total) return void purchase.quote.again();
    details.keep();
    const delivery = details.address.peek();
    const save = details.save.peek() && !details.folded.peek();
    const payer: Payer = { email: details.email.peek().trim(), name: delivery.name, delivery, total: total.amount, ...(save ? { save } : {}) };
    const paid = purchase.pay(async () => {
      if (!stripe) return { ...payer, card: cardOf(card) };
      const token = await field.current?.token(payer);
      return token ? { ...payer, token } : null;
    });
    void paid.then(() => {
      // Taken as it stands, whatever became of the card: the next try begins at the card.
      if (!fieldErrors(purchase.problem.peek(), "")) details.folded.value = true;
      const order = purchase.order.peek();
      const page = purchase.step.peek() === "bank" && order ? bankPage(order) : null;
      if (order && page && mayOpenByItself()) purchase.opened.value = openBank(order.id, page);
    });
  };

  return (
    <>
      <HoldTimer purchase={purchase} />
      <div class="buy-line">
        <img src={product.image || "/img/product.svg"} alt="" width="56" height="56" />
        <div>
          <strong>{hold?.lines ? `${hold.lines.length} things together` : hold?.title || product.title}</strong>
          {hold?.lines?.map((line) => (
            <span key={line.id} class="lead">
              {line.quantity} × {line.title}
            </span>
          ))}
          <span class="lead">
            {hold?.lines ? "All in one order" : pieces(hold?.quantity ?? 1, variant.title === product.title ? "" : variant.title)}
            {plus(purchase.quote.costs.value)}
          </span>
        </div>
        <span class="buy-price">
          <strong class="num">{formatMoney(hold?.total ?? variant.price)}</strong>
          {hold && !hold.lines && hold.unit.currency === standing.currency && hold.unit.amount < standing.amount && <Was money={standing} />}
        </span>
      </div>
      <Problem purchase={purchase} product={product} />
      <form id="pay" class="form" ref={element} noValidate onSubmit={submit} aria-busy={asking}>
        <DetailFields details={details} frozen={frozen} />
        <fieldset class={frozen ? "frozen" : ""}>
          <legend>Card</legend>
          {stripe ? (
            <StripeCard cardKey={stripe} frozen={frozen} onField={(own) => (field.current = own)} />
          ) : (
            <CardFields card={card} errors={errors} frozen={frozen} onChange={change} />
          )}
        </fieldset>
      </form>
      {me.value?.sandbox && !stripe && step === "held" && <TestCards onPick={(picked) => (setErrors({}), setCard(picked))} />}
      <CostList purchase={purchase} country={details.address.value.country} />
      {step === "held" && (
        <Button tone="quiet" wide onClick={() => void purchase.release()}>
          I changed my mind, let it go
        </Button>
      )}
    </>
  );
}

/** Asks what it all costs whenever it is known anew where it goes. */
function useQuote(purchase: Purchase, details: Details): void {
  const { country, region } = details.address.value;
  const hold = purchase.hold.value?.id;
  const held = purchase.step.value === "held";
  const ready = details.ready.value;
  useEffect(() => {
    if (hold && country && held && ready) void purchase.quote.want(hold, { country, region });
  }, [purchase, hold, country, region, held, ready]);
  useEffect(() => {
    const again = (): void => void purchase.quote.online();
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [purchase]);
}

function pieces(n: number, of: string): string {
  return `${of && `${of}, `}${n} ${n === 1 ? "piece" : "pieces"}`;
}

/** Why the button names more than the thing costs, where it is seen before scrolling. */
function plus(costs: Costs | null): string {
  if (!costs) return "";
  const parts = [];
  if (costs.delivery.amount > 0) parts.push(`${formatMoney(costs.delivery)} delivery`);
  if (!costs.tax.included && costs.tax.amount.amount > 0) parts.push(`${formatMoney(costs.tax.amount)} tax`);
  return parts.length > 0 ? `, plus ${parts.join(" and ")}` : "";
}

/** Every cost before anything is confirmed. */
function CostList({ purchase, country }: { purchase: Purchase; country: string }) {
  const { costs, asking, problem } = purchase.quote;
  const known = costs.value;
  const wrong = problem.value;
  return (
    <section class="buy-costs" aria-label="What it costs">
      {known && (
        <dl class={asking.value || wrong ? "costs costs-old" : "costs"}>
          <div>
            <dt>Goods</dt>
            <dd class="num">{formatMoney(known.goods)}</dd>
          </div>
          <CostRows costs={known} to={countryName(purchase.quote.country)} />
        </dl>
      )}
      {asking.value ? (
        !known && (
          <p class="costs-state" role="status">
            <Spinner />
            Working out delivery and tax
          </p>
        )
      ) : wrong?.code === "region_needed" ? (
        <p class="costs-state">Delivery and tax are known as soon as the region is.</p>
      ) : wrong?.code === "delivery_unavailable" ? (
        <p class="costs-state">We do not deliver to {countryName(country)} yet. Nothing was taken.</p>
      ) : wrong ? (
        <div class="costs-state" role="status">
          <span>{wrong.code === "offline" ? "You are offline: delivery and tax follow as soon as you are back." : "Delivery and tax could not be worked out."}</span>
          <Button onClick={() => void purchase.quote.again()}>Try again</Button>
        </div>
      ) : (
        !known && <p class="costs-state">Delivery and tax depend on where it goes.</p>
      )}
    </section>
  );
}

/** Below the form, always in sight. It names the sum that is taken, and nothing else is. */
export function PayButton({ purchase }: { purchase: Purchase }) {
  const step = purchase.step.value;
  const total = purchase.quote.costs.value?.total;
  const waits = !total && purchase.quote.asking.value;
  return (
    <Button tone="buy" wide busy={step === "paying" || waits} type="submit" form="pay">
      {step === "unsure" ? "Ask again" : total ? `Pay ${formatMoney(total)}` : "See the total"}
    </Button>
  );
}
