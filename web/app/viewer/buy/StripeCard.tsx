import { useEffect, useRef, useState } from "preact/hooks";
import { Button } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { loadStripe, look, type StripeApi, type StripeElement } from "./stripe";

/** What the form asks of the card's field. */
export interface CardField {
  /** Says at the field what is still missing, and goes there; true: nothing that the field knows of. */
  ready(focus: boolean): boolean;
  /** Stripe's name for the card that was typed; null: the field says why there is none. */
  token(owner: { name: string; email: string }): Promise<string | null>;
}

type StripeCardProps = { cardKey: string; frozen: boolean; onField: (field: CardField | null) => void };

const MISSING = "Number, date and security code of the card";
const UNHEARD = "The card could not be handed over to Stripe. Nothing was taken; please try again.";

/** Stripe's field for a card, in our look. */
export default function StripeCard({ cardKey, frozen, onField }: StripeCardProps) {
  const [state, setState] = useState<"loading" | "there" | "failed">("loading");
  const [error, setError] = useState("");
  const [tries, tryAgain] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const field = useRef<StripeElement | null>(null);

  useEffect(() => {
    let left = false;
    let made: StripeElement | null = null;
    setState("loading");
    loadStripe(cardKey).then(
      (stripe) => {
        if (left || !box.current) return;
        made = build(stripe, box.current, { onReady: () => !left && setState("there"), onError: setError, onField });
        field.current = made;
      },
      () => !left && setState("failed"),
    );
    return () => {
      left = true;
      onField(null);
      field.current = null;
      made?.destroy();
    };
  }, [cardKey, tries]);

  useEffect(() => field.current?.update({ disabled: frozen }), [frozen, state]);

  // A frame does not see that the page went dark.
  useEffect(() => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const repaint = (): void => void (box.current && field.current?.update({ style: look(box.current) }));
    dark.addEventListener("change", repaint);
    return () => dark.removeEventListener("change", repaint);
  }, []);

  return (
    <div class={`field${error ? " field-wrong" : ""}`}>
      <div class="field-box stripe-box" role="group" aria-label="Card number, date and security code">
        <div class="stripe-field" ref={box} hidden={state === "failed"} />
        {state === "loading" && (
          <span class="stripe-state" role="status">
            <Spinner />
            Opening Stripe's card field
          </span>
        )}
        {state === "failed" && (
          <span class="stripe-state" role="alert">
            Stripe's card field did not open.
            <Button onClick={() => tryAgain((n) => n + 1)}>Try again</Button>
          </span>
        )}
      </div>
      <p class="field-hint">
        {cardKey.startsWith("pk_test_") ? "Play money: 4242 4242 4242 4242 pays, with any date to come and any code." : "Your card goes straight to Stripe, which takes the payment. We never see it."}
      </p>
      {error && (
        <p class="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

interface Ears {
  onReady: () => void;
  onError: (words: string) => void;
  onField: (field: CardField | null) => void;
}

function build(stripe: StripeApi, into: HTMLElement, { onReady, onError, onField }: Ears): StripeElement {
  // The address has a postcode already, and nobody is to be asked for it twice.
  const element = stripe.elements().create("card", { style: look(into), hidePostalCode: true, disableLink: true });
  let complete = false;
  let wrong = "";
  element.on("ready", onReady);
  element.on("change", (change) => {
    complete = change.complete;
    wrong = change.error?.message ?? "";
    onError(wrong);
  });
  element.mount(into);
  onField({
    ready: (focus) => {
      if (complete) return true;
      onError(wrong || MISSING);
      if (focus) element.focus();
      return false;
    },
    token: async (owner) => {
      const { paymentMethod, error } = await stripe
        .createPaymentMethod({ type: "card", card: element, billing_details: owner })
        .catch(() => ({ paymentMethod: undefined, error: { message: UNHEARD } }));
      if (paymentMethod) return paymentMethod.id;
      onError(error?.message || UNHEARD);
      return null;
    },
  });
  return element;
}
