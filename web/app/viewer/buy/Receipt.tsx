import type { Order, Product } from "../../shared/api";
import { formatMoney } from "../../shared/money";
import { LinkButton } from "../../shared/ui/controls";
import { CheckIcon } from "../../shared/ui/icons";
import { addressLines, countryName } from "../../shared/address";
import { CostRows } from "../delivery/CostLines";
import { orderAddress } from "../order/address";
import "../delivery/delivery.css";

/** Beside the running video: what was bought, for how much, where it goes, and where to find it again. */
export function Receipt({ order, product }: { order: Order; product: Product }) {
  return (
    <div class="receipt">
      <p class="receipt-done">
        <span class="receipt-tick">
          <CheckIcon />
        </span>
        <span>
          Paid. Your receipt is for <strong>{order.email}</strong>.
        </span>
      </p>
      <div class="receipt-paper">
        <img src={product.image || "/img/product.svg"} alt="" width="64" height="64" />
        <OrderLines order={order} />
      </div>
      {order.delivery && <p class="receipt-to">It goes to {addressLines(order.delivery).join(", ")}.</p>}
      <LinkButton href={orderAddress(order)} target="_blank" rel="noopener">
        Open your order
      </LinkButton>
    </div>
  );
}

export function OrderLines({ order }: { order: Order }) {
  return (
    <dl class="costs lines">
      {order.lines.map((line, i) => (
        <div key={i} class="lines-goods">
          <dt>
            {line.title}
            {line.quantity > 1 && <span class="num"> × {line.quantity}</span>}
          </dt>
          <dd class="num">{formatMoney(line.unit)}</dd>
        </div>
      ))}
      <CostRows costs={order.costs} to={order.delivery ? countryName(order.delivery.country) : undefined} />
      {order.receipt && (
        <div class="costs-note">
          <dt>Receipt</dt>
          <dd class="num">{order.receipt.number}</dd>
        </div>
      )}
    </dl>
  );
}
