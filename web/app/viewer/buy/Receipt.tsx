import type { Order, Product } from "../../shared/api";
import { formatMoney } from "../../shared/money";
import { LinkButton } from "../../shared/ui/controls";
import { CheckIcon } from "../../shared/ui/icons";
import { orderAddress } from "../order/address";

/** Beside the running video: what was bought, for how much, and where to find it again. */
export function Receipt({ order, product }: { order: Order; product: Product }) {
  return (
    <div class="receipt" role="status">
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
      <LinkButton href={orderAddress(order)} target="_blank" rel="noopener">
        Open your order
      </LinkButton>
    </div>
  );
}

export function OrderLines({ order }: { order: Order }) {
  return (
    <dl class="lines">
      {order.lines.map((line, i) => (
        <div key={i}>
          <dt>
            {line.title}
            {line.quantity > 1 && <span class="num"> × {line.quantity}</span>}
          </dt>
          <dd class="num">{formatMoney(line.unit)}</dd>
        </div>
      ))}
      <div class="lines-total">
        <dt>Total</dt>
        <dd class="num">{formatMoney(order.total)}</dd>
      </div>
      {order.receipt && (
        <div class="lines-small">
          <dt>Receipt</dt>
          <dd class="num">{order.receipt.number}</dd>
        </div>
      )}
    </dl>
  );
}
