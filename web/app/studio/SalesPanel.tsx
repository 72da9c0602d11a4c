// Held, sold, revenue and the latest orders, as the server counts them.

import type { ComponentChildren, JSX } from "preact";
import { formatMoney } from "../shared/money";
import { dayAndTime } from "../shared/when";
import { Skeleton } from "../shared/ui";
import { useOnline } from "../shared/back/online";
import { serverNow } from "../shared/clock";
import type { Sale } from "../shared/api";
import { revenues, type SalesBoard } from "./sales";
import { leftOf, type RunSheet } from "./sheet";

export function SalesNumbers({ board, sheet }: { board: SalesBoard; sheet: RunSheet }): JSX.Element {
  const sales = board.sales.value;
  const online = useOnline();
  const left = sheet.products.value.reduce((sum, product) => sum + leftOf(product), 0);
  return (
    <section class="st-card st-sales" aria-label="Sales of this show">
      <dl>
        <Number name="Held" value={sales ? [String(sales.held)] : null} title="Units promised to buyers who are paying now" />
        <Number name="Sold" value={sales ? [String(sales.sold)] : null} />
        <Number name="Revenue" value={sales ? revenues(sales) : null} title="What the products sold for, without delivery" />
        <Number name="Stock left" value={sheet.loading.value.state === "ready" ? [String(left)] : null} />
      </dl>
      <p class="sr-only" role="status">
        {board.spoken.value}
      </p>
      {(board.trouble.value || !online) && (
        <p class="st-trouble" role="status">
          {online ? `Numbers may be behind. ${board.trouble.value}` : "These numbers wait for your line to come back."}
        </p>
      )}
    </section>
  );
}

/** A value of several lines is one of several currencies; null is not known yet. */
function Number({ name, value, title }: { name: string; value: string[] | null; title?: string }): JSX.Element {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd class="num">{value ? value.map((line) => <Moving key={line}>{line}</Moving>) : "–"}</dd>
    </div>
  );
}

/** Drawn anew by its key when its words change, and so moves into place. */
function Moving({ children }: { children: ComponentChildren }): JSX.Element {
  return <span class="st-moves">{children}</span>;
}

export function Orders({ board }: { board: SalesBoard }): JSX.Element {
  const sales = board.sales.value;
  return (
    <section class="st-card st-orders" aria-labelledby="orders-title">
      <h2 id="orders-title">Orders</h2>
      {!sales && !board.trouble.value && (
        <p aria-busy="true">
          <span class="sr-only">Loading the orders</span>
          <Skeleton class="st-skeleton--row" />
        </p>
      )}
      {sales && sales.orders.length === 0 && (
        <div class="st-empty">
          <strong>No orders yet</strong>
          <p>Each paid order appears here within seconds.</p>
        </div>
      )}
      {sales && sales.orders.length > 0 && <p class="st-orders__note">As buyers paid, delivery included.</p>}
      {sales && sales.orders.length > 0 && (
        <ul tabIndex={0} role="list" aria-label="The newest orders">
          {sales.orders.map((order) => (
            <OrderRow key={order.id} order={order} />
          ))}
        </ul>
      )}
    </section>
  );
}

function OrderRow({ order }: { order: Sale }): JSX.Element {
  const what = order.lines.map(({ title, quantity }) => (quantity > 1 ? `${quantity} × ${title}` : title)).join(", ");
  const back = order.state === "refunded" ? " · refunded" : order.state === "refund_pending" ? " · being refunded" : "";
  return (
    <li>
      <span class="st-orders__what">{what || "Order"}</span>
      <span class="num">{formatMoney(order.total)}</span>
      <span class="st-orders__who num">
        {order.name && `${order.name} · `}
        <time dateTime={order.created_at}>{dayAndTime(order.created_at, serverNow())}</time>
        {back}
      </span>
    </li>
  );
}
