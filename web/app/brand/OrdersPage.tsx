// /brand/orders: what I have sold, and where it is to go.

import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { addressLines } from "../shared/address";
import { serverNow } from "../shared/clock";
import { formatMoney } from "../shared/money";
import { dayAndTime, fullTime } from "../shared/when";
import { Banner, Button, Empty } from "../shared/ui";
import { useOnline } from "../shared/back/online";
import type { Me, SoldOrder } from "../shared/api";
import { csv } from "./csv";
import { List } from "./List";
import { SoldOrders, stateWords, toBeSent } from "./sold";
import { Tabs } from "./Tabs";
import "./orders.css";

/** One order, all that are to be sent, or (null) the whole list, by the browser's own menu. */
type Printing = string | "all" | null;

export function OrdersPage({ me }: { me: Me }): JSX.Element {
  const sold = useMemo(() => new SoldOrders(), []);
  const online = useOnline();
  const printing = useSignal<Printing>(null);
  useEffect(() => {
    document.title = "Orders · Your brand · Rialto";
    sold.start();
    const printed = (): void => void (printing.value = null);
    window.addEventListener("afterprint", printed);
    return () => {
      sold.close();
      window.removeEventListener("afterprint", printed);
    };
  }, [sold]);
  useEffect(() => {
    // Drawn first, so that only what was asked for is on the paper.
    if (printing.value) window.print();
  }, [printing.value]);
  useEffect(() => {
    if (online && sold.list.state.peek() === "failed") void sold.list.next();
  }, [online]);

  const orders = sold.list.items.value;
  return (
    <main class="br-page" id="main">
      <h1>{me.account?.name}</h1>
      <Tabs here="orders" />
      {!online && <Banner tone="warn">This device is offline. What you see may be old; new orders come in when the line is back.</Banner>}
      {online && sold.behind.value && <Banner tone="warn">The server does not answer. New orders may be missing here for a moment.</Banner>}
      <section aria-labelledby="orders-title">
        <header class="br-head">
          <h2 id="orders-title">Orders</h2>
          {orders.length > 0 && (
            <div class="br-order__do">
              {orders.some(({ state }) => toBeSent(state)) && <Button onClick={() => (printing.value = "all")}>Print all slips</Button>}
              <Button onClick={() => download(orders)}>Save as CSV</Button>
            </div>
          )}
        </header>
        <p class="sr-only" role="status">
          {sold.said.value}
        </p>
        <List list={sold.list} title="Your orders did not load" more="Show more" empty={<NothingSold />}>
          <ul class="br-orders">
            {orders.map((order) => (
              <Order key={order.id} order={order} from={me.account?.name ?? ""} fresh={sold.fresh.value.has(order.id)} printing={printing} />
            ))}
          </ul>
        </List>
      </section>
    </main>
  );
}

function NothingSold(): JSX.Element {
  return (
    <Empty title="Nothing sold yet">
      Each paid order of your products appears here by itself, with the address it goes to.
    </Empty>
  );
}

function Order({ order, from, fresh, printing }: { order: SoldOrder; from: string; fresh: boolean; printing: Signal<Printing> }): JSX.Element {
  const number = order.receipt.number;
  const open = toBeSent(order.state);
  const off = printing.value !== null && printing.value !== order.id && (printing.value !== "all" || !open);
  return (
    <li class={off ? "br-order br-order--off" : "br-order"} aria-label={`Order ${number}`}>
      <p class="br-order__from">
        <b>{from}</b> <span>Packing slip</span>
      </p>
      <header>
        <div>
          <h3 class="num">
            {number}
            {fresh && <span class="br-order__new">New</span>}
          </h3>
          <p class="num">
            <time class="br-screen" dateTime={order.created_at}>
              {dayAndTime(order.created_at, serverNow())}
            </time>
            <span class="br-paper">{fullTime(order.created_at)}</span> · {order.show.title}
          </p>
        </div>
        <span class={open ? "br-order__state br-order__state--open" : "br-order__state"}>{stateWords(order.state)}</span>
      </header>
      <ul class="br-order__lines">
        {order.lines.map((line) => (
          <li key={line.title}>
            <b class="num">{line.quantity} ×</b> <span>{line.title}</span>
            <span class="num br-screen">
              {formatMoney(line.unit)}
              {line.quantity > 1 && " each"}
            </span>
          </li>
        ))}
      </ul>
      <SendTo order={order} />
      <div class="br-order__do br-screen">
        <Button aria-label={`Print the slip of ${number}`} onClick={() => (printing.value = order.id)}>
          Print the slip
        </Button>
        <a class="br-order__mail" href={`mailto:${order.email}`}>
          {order.email}
        </a>
      </div>
    </li>
  );
}

const SAID_MS = 3_000;

function SendTo({ order }: { order: SoldOrder }): JSX.Element {
  const said = useSignal("");
  const box = useRef<HTMLElement>(null);
  const lines = order.delivery ? addressLines(order.delivery) : [];
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(lines.join("\n"));
      said.value = "Copied";
    } catch {
      // Not allowed here: one key is left to press.
      if (box.current) getSelection()?.selectAllChildren(box.current);
      said.value = "Selected: copy it with your keyboard or menu";
    }
  };
  useEffect(() => {
    if (!said.value) return;
    const timer = setTimeout(() => (said.value = ""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said.value]);
  if (lines.length === 0) return <p class="br-order__none">No address was asked for with this order. Write to the buyer.</p>;
  return (
    <div class="br-order__to">
      <address ref={box}>
        {lines.map((line, at) => (
          <span key={at}>{line}</span>
        ))}
      </address>
      <div class="br-screen">
        <Button aria-label={`Copy the address of ${order.receipt.number}`} onClick={() => void copy()}>
          {said.value === "Copied" ? "Copied" : "Copy"}
        </Button>
        <span class={said.value === "Copied" ? "sr-only" : "br-order__said"} role="status">
          {said.value}
        </span>
      </div>
    </div>
  );
}

/** Made in this browser: the addresses go nowhere else. */
function download(orders: SoldOrder[]): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv(orders)], { type: "text/csv;charset=utf-8" }));
  link.download = `orders-${new Date(serverNow()).toISOString().slice(0, 10)}.csv`;
  link.click();
  URL.revokeObjectURL(link.href);
}
