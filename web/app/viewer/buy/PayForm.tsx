import { useEffect, useRef, useState } from "preact/hooks";
import type { Product, Variant } from "../../shared/api";
import { serverNow } from "../../shared/clock";
import { formatMoney, type Money } from "../../shared/money";
import { me } from "../../shared/session";
import { Button, Field } from "../../shared/ui/controls";
import { Banner } from "../../shared/ui/states";
import { cardOf, check, groupExpiry, groupNumber, type Form, type FormErrors } from "./card";
import { Was } from "../watch/offer";
import { HoldTimer, timeLeft } from "./HoldTimer";
import type { Purchase } from "./purchase";
import { TestCards } from "./TestCards";

type PayProps = { purchase: Purchase; product: Product; variant: Variant; /** What it costs without the price that was held. */ standing: Money };

const ORDER: (keyof Form)[] = ["email", "name", "number", "expiry", "cvc"];

const ASK_AGAIN_MS = 4_000;

// Once typed, an address need not be typed for the next product. Never the card.
const remembered = { email: "", name: "" };

export function PayForm({ purchase, product, variant, standing }: PayProps) {
  const [form, setForm] = useState<Form>(() => ({
    email: remembered.email || (me.peek()?.account?.email ?? ""),
    name: remembered.name || (me.peek()?.account?.name ?? ""),
    number: "",
    expiry: "",
    cvc: "",
  }));
  const [errors, setErrors] = useState<FormErrors>({});
  const element = useRef<HTMLFormElement>(null);
  const set = (name: keyof Form) => (value: string): void => {
    setForm((old) => ({ ...old, [name]: name === "number" ? groupNumber(value) : name === "expiry" ? groupExpiry(value, old.expiry) : value }));
    // A complaint goes as soon as its cause is touched; it comes back at the next try if it is still true.
    setErrors(({ [name]: _gone, ...rest }) => rest);
  };

  const step = purchase.step.value;
  const hold = purchase.hold.value;
  const asking = step === "paying";
  // Not disabled: that would take the focus away and hide from a screen reader what is being paid with.
  const frozen = asking || step === "unsure";
  const total = hold?.total ?? variant.price;

  // An answer that did not come is asked for again without a tap: the same id can only repeat it.
  useEffect(() => {
    if (step !== "unsure") return;
    const timer = setTimeout(() => void purchase.askAgain(), ASK_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [step, purchase]);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (step === "unsure") return void purchase.askAgain();
    const wrong = check(form, serverNow());
    setErrors(wrong);
    const first = ORDER.find((name) => wrong[name]);
    if (first) {
      element.current?.querySelector<HTMLInputElement>(`[name="${first}"]`)?.focus();
      return;
    }
    remembered.email = form.email.trim();
    remembered.name = form.name.trim();
    void purchase.pay({ email: remembered.email, name: remembered.name, card: cardOf(form) });
  };

  return (
    <>
      <HoldTimer purchase={purchase} />
      <div class="buy-line">
        <img src={product.image || "/img/product.svg"} alt="" width="56" height="56" />
        <div>
          <strong>{hold?.title || product.title}</strong>
          <span class="lead">{variant.title && variant.title !== product.title ? `${variant.title}, ` : ""}1 piece, nothing is added to the price</span>
        </div>
        <span class="buy-price">
          <strong class="num">{formatMoney(total)}</strong>
          {hold && hold.unit.currency === standing.currency && hold.unit.amount < standing.amount && <Was money={standing} />}
        </span>
      </div>
      <Problem purchase={purchase} product={product} />
      <form id="pay" class="form" ref={element} noValidate onSubmit={submit} aria-busy={asking}>
        <fieldset class={frozen ? "frozen" : ""}>
          <legend class="sr-only">Payment</legend>
          <Field label="E-mail for the receipt" type="email" name="email" autocomplete="email" inputMode="email" maxLength={254} readOnly={frozen} value={form.email} onInput={set("email")} error={errors.email} />
          <Field label="Name on the card" name="name" autocomplete="cc-name" maxLength={100} readOnly={frozen} value={form.name} onInput={set("name")} error={errors.name} />
          <Field label="Card number" name="number" autocomplete="cc-number" inputMode="numeric" maxLength={23} readOnly={frozen} value={form.number} onInput={set("number")} error={errors.number} />
          <div class="buy-pair">
            <Field label="Valid until" name="expiry" autocomplete="cc-exp" inputMode="numeric" placeholder="MM / YY" maxLength={9} readOnly={frozen} value={form.expiry} onInput={set("expiry")} error={errors.expiry} />
            <Field label="Security code" name="cvc" autocomplete="cc-csc" inputMode="numeric" maxLength={4} readOnly={frozen} value={form.cvc} onInput={set("cvc")} error={errors.cvc} />
          </div>
        </fieldset>
      </form>
      {me.value?.sandbox && step === "held" && <TestCards onPick={(card) => (setErrors({}), setForm((old) => ({ ...old, ...card })))} />}
      {step === "held" && (
        <Button tone="quiet" wide onClick={() => void purchase.release()}>
          I changed my mind, let it go
        </Button>
      )}
    </>
  );
}

/** Below the form, always in sight. */
export function PayButton({ purchase, variant }: { purchase: Purchase; variant: Variant }) {
  const step = purchase.step.value;
  return (
    <Button tone="buy" wide busy={step === "paying"} type="submit" form="pay">
      {step === "unsure" ? "Ask again" : `Pay ${formatMoney(purchase.hold.value?.total ?? variant.price)}`}
    </Button>
  );
}

/** What the last try came to. The bank's no keeps the unit: say so, and for how long. */
function Problem({ purchase, product }: { purchase: Purchase; product: Product }) {
  const problem = purchase.problem.value;
  const shown = useRef<HTMLDivElement>(null);
  const step = purchase.step.value;
  useEffect(() => shown.current?.scrollIntoView({ block: "center" }), [problem, step]);
  if (step === "unsure")
    return (
      <div ref={shown}>
        <Banner tone="warn">We have not heard yet whether your bank said yes. {product.title} stays yours meanwhile, and asking again can never charge you twice.</Banner>
      </div>
    );
  if (!problem || step !== "held") return null;
  const declined = problem.code === "card_declined";
  return (
    <div ref={shown}>
      <Banner tone="error" code={problem.code}>
        {declined ? (
          <>
            Your bank said no. {product.title} is still held for <span class="num">{timeLeft(purchase)}</span>: try another card.
          </>
        ) : (
          problem.message
        )}
      </Banner>
    </div>
  );
}
