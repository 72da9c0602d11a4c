import { Field } from "../../shared/ui/controls";
import { groupExpiry, groupNumber, type CardErrors, type CardForm } from "./card";

type CardProps = { card: CardForm; errors: CardErrors; frozen: boolean; onChange: (change: Partial<CardForm>) => void };

/** Number, date and code: sent to the server, and kept nowhere. */
export function CardFields({ card, errors, frozen, onChange }: CardProps) {
  const field = (name: keyof CardForm) => ({ name, inputMode: "numeric" as const, readOnly: frozen, value: card[name], error: errors[name] });
  return (
    <>
      <Field label="Card number" autocomplete="cc-number" maxLength={23} {...field("number")} onInput={(value) => onChange({ number: groupNumber(value) })} />
      <div class="buy-pair">
        <Field label="Valid until" autocomplete="cc-exp" placeholder="MM / YY" maxLength={9} {...field("expiry")} onInput={(value) => onChange({ expiry: groupExpiry(value, card.expiry) })} />
        <Field label="Security code" autocomplete="cc-csc" maxLength={4} {...field("cvc")} onInput={(cvc) => onChange({ cvc })} />
      </div>
    </>
  );
}
