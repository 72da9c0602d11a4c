import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Product } from "../../shared/api";
import { formatMoney } from "../../shared/money";
import { Banner } from "../../shared/ui/states";
import { serverNow, clockText, useServerNow } from "../../shared/clock";
import type { Purchase } from "./purchase";
import { declineWords, fieldErrors } from "./words";

/** What the last try came to. The bank's no keeps the unit: say so, and for how long. */
export function Problem({ purchase, product }: { purchase: Purchase; product: Product }) {
  const problem = purchase.problem.value;
  const shown = useRef<HTMLDivElement>(null);
  const step = purchase.step.value;
  useEffect(() => shown.current?.scrollIntoView({ block: "center" }), [problem, step]);
  if (step === "unsure")
    return (
      <div ref={shown}>
        <Banner tone="warn">
          {problem?.code === "offline" ? "You are offline, so we have not heard yet whether your bank said yes. We ask as soon as you are back." : "We have not heard yet whether your bank said yes."} {product.title} stays yours
          meanwhile, and asking again can never charge you twice.
        </Banner>
      </div>
    );
  if (!problem || step !== "held" || fieldErrors(problem, "")) return null;
  return (
    <div ref={shown}>
      <Banner tone={problem.code === "total_changed" ? "warn" : "error"} code={problem.code}>
        <Words purchase={purchase} product={product} />
      </Banner>
    </div>
  );
}

function Words({ purchase, product }: { purchase: Purchase; product: Product }) {
  const problem = purchase.problem.value;
  const before = purchase.totalBefore.value;
  const total = purchase.quote.costs.value?.total;
  switch (problem?.code) {
    case "card_declined":
      return (
        <>
          {["Your bank said no.", declineWords(problem.problem.reason), product.title].filter(Boolean).join(" ")} is still held for <Left purchase={purchase} />: try another card.
        </>
      );
    case "card_invalid":
      return <>This card cannot be charged. Please compare number, date and code. Nothing was taken.</>;
    case "total_changed":
      return (
        <>
          {total && before && total.amount !== before.amount ? (
            <>
              The total is now <strong class="num">{formatMoney(total)}</strong>, not {formatMoney(before)}.
            </>
          ) : (
            <>The total has changed.</>
          )}{" "}
          Nothing was taken: look at it below, then pay.
        </>
      );
    case "order_conflict":
      return <>You are paying for this one already, in another tab or on another device. Nothing was taken from here.</>;
  }
  return <>{problem?.message}</>;
}

/** Runs for the eye alone: an alert is read aloud again whenever its words change. */
function Left({ purchase }: { purchase: Purchase }) {
  const ends = purchase.expiresAt.value;
  const now = useServerNow(500);
  const said = useMemo(() => clockText(ends - serverNow()), [ends]);
  return (
    <>
      <span class="sr-only">{said}</span>
      <span class="num" aria-hidden="true">
        {clockText(ends - now)}
      </span>
    </>
  );
}
