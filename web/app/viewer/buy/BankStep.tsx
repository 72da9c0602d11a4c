import { useEffect } from "preact/hooks";
import type { Product } from "../../shared/api";
import { formatMoney } from "../../shared/money";
import { Button } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { bankPage, openBank } from "./bank";
import type { Purchase } from "./purchase";

/** The room tells at once what the bank said; asking makes it sure. */
const LOOK_MS = 3_000;

/** The bank wants to hear from its customer. Its page has a window of its own, so that the show goes on. */
export function BankStep({ purchase, product }: { purchase: Purchase; product: Product }) {
  const order = purchase.order.value;
  useEffect(() => {
    const look = (): void => void purchase.look();
    const timer = setInterval(look, LOOK_MS);
    // Who comes back from the bank's window wants to know now.
    addEventListener("focus", look);
    addEventListener("online", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      removeEventListener("focus", look);
      removeEventListener("online", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [purchase]);
  if (!order) return null;
  const offline = purchase.problem.value?.code === "offline";
  return (
    <div class="bank">
      <p class="bank-wait" role="status">
        <Spinner />
        <span>
          {offline
            ? "You are offline. Your bank keeps waiting; we ask again as soon as you are back."
            : purchase.opened.value
              ? "Your bank’s page is open in another window. Say yes there, and your receipt appears here."
              : "Your bank wants to know that it is you. Its page opens in a window of its own."}
        </span>
      </p>
      <dl class="costs">
        <div class="costs-total">
          <dt>{product.title}</dt>
          <dd class="num">{formatMoney(order.total)}</dd>
        </div>
      </dl>
      <ul class="bank-notes">
        <li>Nothing is taken until you say yes there. The show goes on here meanwhile.</li>
        <li>Another card? Refuse on your bank’s page first: while it is asked, no second card can be.</li>
        <li>If you do nothing, nothing is taken, and {product.title} goes back to the others after 10 minutes.</li>
      </ul>
    </div>
  );
}

export function BankButton({ purchase }: { purchase: Purchase }) {
  const order = purchase.order.value;
  const page = order && bankPage(order);
  if (!page) return null;
  return (
    <Button tone="buy" wide onClick={() => (purchase.opened.value = openBank(order.id, page))}>
      {purchase.opened.value ? "Open your bank’s page again" : "Open your bank’s page"}
    </Button>
  );
}
