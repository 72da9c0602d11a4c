import { useCallback, useEffect, useState } from "preact/hooks";
import { getOrder, type Order } from "../../shared/api";
import { fullTime } from "../../shared/when";
import { LinkButton } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { Banner, Empty, ErrorState } from "../../shared/ui/states";
import { ApiError } from "../../shared/http";
import { OrderLines } from "../buy/Receipt";
import { Frame } from "../Frame";
import "../buy/buy.css";

/** An order under way is looked at again this often. */
const REFRESH_MS = 4_000;

const WORDS: Record<string, { tone: "success" | "info" | "warn"; text: string }> = {
  pending: { tone: "info", text: "Your bank is being asked." },
  authorised: { tone: "info", text: "Your bank said yes. The order is being confirmed." },
  confirmed: { tone: "success", text: "Paid, and yours. The seller is told." },
  captured: { tone: "success", text: "Paid, and yours. The seller is told." },
  fulfilled: { tone: "success", text: "On its way to you." },
  settled: { tone: "success", text: "Done. The seller has been paid." },
  cancelled: { tone: "warn", text: "This order did not come about. Nothing was taken." },
  refund_pending: { tone: "info", text: "Your money is on its way back." },
  refunded: { tone: "info", text: "Your money went back to your card." },
};

export default function OrderPage({ route }: { route: { order: string; link: string | null } }) {
  const [order, setOrder] = useState<Order | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const moving = order?.state === "pending" || order?.state === "authorised";

  useEffect(() => {
    const leave = new AbortController();
    getOrder(route.order, route.link, { signal: leave.signal }).then(
      (found) => {
        setOrder(found);
        setFailed(null);
      },
      (error: unknown) => !leave.signal.aborted && setFailed(error),
    );
    return () => leave.abort();
  }, [route.order, route.link, round]);

  const again = useCallback(() => {
    setFailed(null);
    setRound((n) => n + 1);
  }, []);
  useEffect(() => {
    if (!moving) return;
    const timer = setTimeout(again, REFRESH_MS);
    return () => clearTimeout(timer);
  }, [moving, round, order]);

  return (
    <Frame title="Your order" narrow>
      {order ? (
        <OrderView order={order} />
      ) : failed instanceof ApiError && [401, 403, 404, 422].includes(failed.status) ? (
        <Empty whole title="This order cannot be shown" action={<LinkButton tone="primary" href={`/signin?next=${encodeURIComponent(`/orders/${route.order}`)}`}>Sign in</LinkButton>}>
          Open it with the link of your receipt, or sign in with the account that bought it.
        </Empty>
      ) : failed ? (
        <ErrorState whole error={failed} onRetry={again} />
      ) : (
        <div class="page-wait">
          <Spinner label="Loading your order" />
        </div>
      )}
    </Frame>
  );
}

function OrderView({ order }: { order: Order }) {
  const words = WORDS[order.state] ?? { tone: "info" as const, text: "Your order is being worked on." };
  return (
    <div class="stack">
      <div>
        <h1>Your order</h1>
        <p class="lead num">{fullTime(order.created_at)}</p>
      </div>
      <Banner tone={words.tone}>{words.text}</Banner>
      <section class="panel" aria-label="What you bought">
        <OrderLines order={order} />
      </section>
      <p class="lead">Your receipt is for {order.email}. Keep the address of this page: it opens your order on any device.</p>
      <LinkButton href={`/s/${order.show}`}>Back to the show</LinkButton>
    </div>
  );
}
