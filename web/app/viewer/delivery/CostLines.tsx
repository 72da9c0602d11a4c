import { formatMoney } from "../../shared/money";
import type { Costs } from "./calls";

/** What is added to the goods, and what all of it comes to. Tax stands where it belongs: below a total that includes it, above one that it is added to. */
export function CostRows({ costs, to }: { costs: Costs; to?: string | undefined }) {
  const { delivery, tax, total } = costs;
  const taxed = tax.amount.amount !== 0;
  return (
    <>
      <div>
        <dt>{to ? `Delivery to ${to}` : "Delivery"}</dt>
        <dd class="num">{delivery.amount === 0 ? "Free" : formatMoney(delivery)}</dd>
      </div>
      {taxed && !tax.included && (
        <div>
          <dt>{tax.name || "Tax"}</dt>
          <dd class="num">{formatMoney(tax.amount)}</dd>
        </div>
      )}
      <div class="costs-total">
        <dt>Total</dt>
        <dd class="num">{formatMoney(total)}</dd>
      </div>
      {taxed && tax.included && (
        <div class="costs-note">
          <dt>incl. {tax.name || "tax"}</dt>
          <dd class="num">{formatMoney(tax.amount)}</dd>
        </div>
      )}
    </>
  );
}
