// Held, sold, revenue and the latest orders, as the server counts them.

import type { JSX } from "preact";
import { formatMoney } from "../shared/money";
import { dayAndTime } from "../shared/when";
import { Skeleton } from "../shared/ui";
import { serverNow } from "../shared/clock";
import type { Sale } from "../shared/api";
import type { SalesBoard } from "./sales";
import { leftOf, type RunSheet } from "./sheet";

export function SalesNumbers({ board, sheet }: { board: SalesBoard; sheet: RunSheet }): JSX.Element {
  const sales = board.sales.value;
  const left = sheet.products.value.reduce((sum, product) => sum + leftOf(product), 0);
  return (
    <section class="st-card st-sales" aria-label="Sales of this show">
      <dl>
        <Number name="Held" value={sales ? String(sales.held) : "–"} title="Units promised to buyers who are paying now" />
        <Number name="Sold" value={sales ? String(sales.sold) : "–"} />
        <Number name="Revenue" value={sales ? formatMoney(sales.revenue) : "–"} />
        <Number name="Stock left" value={sheet.loading.value.state === "ready" ? String(left) : "–"} />
      </dl>
      {board.trouble.value && (
        <p class="st-trouble" role="status">
          Numbers may be behind. {board.trouble.value}
        </p>
      )}
    </section>
  );
}

function Number({ name, value, title }: { name: string; value: string; title?: string }): JSX.Element {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd class="num">{value}</dd>
    </div>
  );
}

export function Orders({ board }: { board: SalesBoard }): JSX.Element {
  const sales = board.sales.value;
  return (
    <section class="st-card st-orders" aria-labelledby="orders-title">
      <h2 id="orders-title">Orders</h2>
      {!sales && !board.trouble.value && <p aria-busy="true">
            <span class="sr-only">Loading the orders</span>
            <Skeleton class="st-skeleton--row" />
          </p>}
      {sales && sales.orders.length === 0 && (
        <div class="st-empty">
          <strong>No orders yet</strong>
          <p>Each paid order appears here within seconds.</p>
        </div>
      )}
      {sales && sales.orders.length > 0 && (
        <ul>
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
  return (
    <li>
      <span class="st-orders__what">{what || "Order"}</span>
      <span class="num">{formatMoney(order.total)}</span>
      <time class="st-orders__when num" dateTime={order.created_at}>
        {dayAndTime(order.created_at, serverNow())}
      </time>
    </li>
  );
}
