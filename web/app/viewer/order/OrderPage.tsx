import { useCallback, useEffect, useState } from "preact/hooks";
import { getOrder, type Order } from "../../shared/api";
import { fullTime } from "../../shared/when";
import { Button, LinkButton } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { Banner, Empty, ErrorState } from "../../shared/ui/states";
import { ApiError } from "../../shared/http";
import { bankPage, closeForSheet, openedBySheet } from "../buy/bank";
import { OrderLines } from "../buy/Receipt";
import { declineWords } from "../buy/words";
import { AddressBlock } from "../delivery/AddressBlock";
import { Frame } from "../Frame";
import "../buy/buy.css";
import "./order.css";

/** An order under way is looked at again this often … */
const REFRESH_MS = 3_000;
/** … and one that rests this often, as long as somebody looks at it. */
const REST_MS = 30_000;

type OrderProps = { route: { order: string; link: string | null } };

export default function OrderPage({ route }: OrderProps) {
  const { order, failed, again } = useOrder(route);
  useBankWindow(order);
  useOwnAddress();
  return (
    <Frame title="Your order" narrow>
      {order ? (
        <OrderView order={order} lost={failed instanceof ApiError && failed.status === 0 ? failed : null} />
      ) : failed instanceof ApiError && [401, 403, 404, 422].includes(failed.status) ? (
        <Empty whole title="This order cannot be shown" action={<LinkButton tone="primary" href={`/signin?next=${encodeURIComponent(`/orders/${route.order}`)}`}>Sign in</LinkButton>}>
          {route.link
            ? "The link is cut off or too old. Open it once more from the mail of your order, the whole of it, or sign in with the account that bought it."
            : "Open it with the link in the mail of your order, or sign in with the account that bought it."}
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

/** The order as it is now: asked again while something moves, when somebody comes back to the page, and now and then. */
function useOrder({ order: id, link }: OrderProps["route"]) {
  const [order, setOrder] = useState<Order | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const moving = order !== null && isMoving(order);
  const again = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    const leave = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = (): void => {
      if (!leave.signal.aborted) timer = setTimeout(again, moving ? REFRESH_MS : REST_MS);
    };
    getOrder(id, link, { signal: leave.signal })
      .then(
        (found) => {
          setOrder(found);
          setFailed(null);
        },
        (error: unknown) => !leave.signal.aborted && setFailed(error),
      )
      .finally(next);
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [id, link, round, moving]);

  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState === "visible") again();
    };
    for (const name of ["focus", "online"]) addEventListener(name, look);
    document.addEventListener("visibilitychange", look);
    return () => {
      for (const name of ["focus", "online"]) removeEventListener(name, look);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return { order, failed, again };
}

const isMoving = ({ state, payment }: Order): boolean => payment.state === "requires_action" || state === "pending" || state === "authorised";

/** Back from the bank in the window that a sheet opened: the sheet has the answer, so the window goes. */
function useBankWindow(order: Order | null): void {
  const answered = order !== null && order.payment.state !== "requires_action" && openedBySheet(order.id);
  useEffect(() => {
    if (order && answered) closeForSheet(order.id);
  }, [answered]);
}

/** A payment company adds words of its own to the way back, a secret among them. The address that people keep and share has none of them. */
function useOwnAddress(): void {
  useEffect(() => {
    const all = new URLSearchParams(location.search);
    const own = new URLSearchParams([...all].filter(([name]) => name === "link"));
    if (own.size < all.size) history.replaceState(history.state, "", location.pathname + (own.size > 0 ? `?${own}` : ""));
  }, []);
}

interface Words {
  tone: "success" | "info" | "warn";
  text: string;
  /** What happens next, in its order. */
  next?: string[];
}

const PAID = "Paid, and yours. The seller is told.";
const SENT: string[] = ["The seller packs it and sends it to this address.", "You need not do anything. Keep this page: it shows how far your order is."];

const WORDS: Record<Order["state"], Words> = {
  pending: { tone: "info", text: "Your bank is being asked. This page shows its answer by itself." },
  authorised: { tone: "info", text: "Your bank said yes. The order is being confirmed." },
  confirmed: { tone: "success", text: PAID, next: SENT },
  captured: { tone: "success", text: PAID, next: SENT },
  fulfilled: { tone: "success", text: "On its way to you." },
  settled: { tone: "success", text: "Done. The seller has been paid." },
  cancelled: { tone: "warn", text: "This order did not come about. Nothing was taken." },
  refund_pending: { tone: "info", text: "Your money is on its way back.", next: ["Banks take some days for it. It comes back to the card that paid."] },
  refunded: { tone: "info", text: "Your money went back to your card." },
};

function wordsOf(order: Order): Words {
  const { state, payment } = order;
  if (state === "pending" && payment.state === "requires_action")
    return { tone: "warn", text: "Your bank wants to know that it is you. Nothing is taken until you say yes there.", next: ["If you do nothing, nothing is taken, and the order ends after 10 minutes."] };
  if (state === "cancelled" && payment.state === "declined")
    return {
      tone: "warn",
      text: ["Your bank said no.", declineWords(payment.decline), "Nothing was taken."].filter(Boolean).join(" "),
      next: ["Go back to the show: while it is still held for you, another card can pay for it."],
    };
  if (state === "cancelled" && payment.state === "ended") return { tone: "warn", text: "This order ended before it was paid. Nothing was taken.", next: ["If there is still one, you can buy it again in the show."] };
  return WORDS[state];
}

function OrderView({ order, lost }: { order: Order; lost: ApiError | null }) {
  const words = wordsOf(order);
  const bank = bankPage(order);
  const bought = order.receipt !== null;
  return (
    <div class="stack order">
      <div>
        <h1>Your order</h1>
        <p class="lead num">{fullTime(order.created_at)}</p>
      </div>
      {lost && <Banner tone="warn">{lost.code === "offline" ? "You are offline. This is what we knew last." : "The server cannot be reached. This is what we knew last."}</Banner>}
      <Banner
        tone={words.tone}
        action={
          bank && (
            <LinkButton tone="primary" href={bank}>
              Open your bank’s page
            </LinkButton>
          )
        }
      >
        {words.text}
      </Banner>
      <section class="panel" aria-label="What you bought">
        <OrderLines order={order} />
      </section>
      {order.delivery && (
        <section class="panel" aria-labelledby="to-title">
          <h2 id="to-title">{bought ? "It goes to" : "It would go to"}</h2>
          <AddressBlock address={order.delivery} />
        </section>
      )}
      {words.next && (
        <section class="panel order-next" aria-labelledby="next-title">
          <h2 id="next-title">What happens next</h2>
          {words.next.map((text) => (
            <p key={text}>{text}</p>
          ))}
        </section>
      )}
      <p class="lead">
        {bought ? "Your receipt is for" : "The receipt would be for"} {order.email}. The address of this page opens your order on any device: keep it for yourself.
      </p>
      <div class="order-doors">
        <LinkButton href={`/s/${order.show}`}>Back to the show</LinkButton>
        {bought && <Button onClick={() => print()}>Print the receipt</Button>}
      </div>
    </div>
  );
}
