import type { Product } from "../../shared/api";
import { formatMoney } from "../../shared/money";
import type { Price } from "../../shared/price";
import { timeOfDay } from "../../shared/when";
import { Button } from "../../shared/ui/controls";
import type { Purchase } from "./purchase";

type OutcomeProps = { purchase: Purchase; words: Words; onClose: () => void; onBack: (() => void) | undefined };

export interface Words {
  title: string;
  text: string;
  /** Trying again can change the answer. */
  again?: string;
}

/** When no unit could be taken, or it went back: what happened and what to do. */
export function Outcome({ purchase, words, onClose, onBack }: OutcomeProps) {
  return (
    <div class="buy-end">
      <p>{words.text}</p>
      {words.again && (
        <Button tone="primary" wide onClick={() => void purchase.take()}>
          {words.again}
        </Button>
      )}
      {onBack && (
        <Button wide onClick={onBack}>
          Choose another
        </Button>
      )}
      <Button wide tone={words.again ? "quiet" : "plain"} onClick={onClose}>
        Back to the show
      </Button>
      {purchase.problem.value && <p class="blank-code">{purchase.problem.value.code}</p>}
    </div>
  );
}

/** `price` is what the thing costs at this moment. */
export function wordsFor(purchase: Purchase, product: Product, price: Price): Words {
  const problem = purchase.problem.value;
  if (purchase.step.value === "expired" && problem?.code === "card_declined")
    return { title: "Your hold has ended", text: `Your bank said no, and the time is over: ${product.title} went back to the others. Nothing was paid.`, again: "Hold one again" };
  if (purchase.step.value === "expired" && problem?.code === "order_cancelled")
    return { title: "Your hold has ended", text: `Your bank was not answered in time. Nothing was taken, and ${product.title} went back to the others. If there is still one, you can take it again.`, again: "Hold one again" };
  if (purchase.step.value === "expired")
    return {
      title: "Your hold has ended",
      text: `${product.title} went back to the others, and nothing was paid. If there is still one, you can take it again.`,
      again: "Hold one again",
    };
  switch (problem?.code) {
    case "sold_out":
      return { title: "Sold out", text: `The last ${product.title} is taken. If somebody lets theirs go, Buy comes back by itself.`, again: "Try once more" };
    case "limit_reached":
      return { title: "That is the limit", text: "You already have as many of these as one person can buy in this show." };
    case "price_changed": {
      const now = formatMoney(purchase.told.value ?? price.unit);
      return { title: "The price has changed", text: `${product.title} now costs ${now}. Nothing was held and nothing was paid.`, again: `Take it for ${now}` };
    }
    case "paying_elsewhere":
      return { title: "You are paying already", text: problem.message };
    case "not_open":
      if (price.opensAt !== null) return { title: "Not on sale yet", text: `It opens at ${timeOfDay(price.opensAt)}. Stay: Buy wakes up by itself.` };
      return { title: "Not on sale yet", text: "The creator has not opened the sale of this one. Stay: it opens here.", again: "Try again" };
    case "closed":
      return { title: "The sale is over", text: "The show has ended, and its sale with it." };
    case "payments_not_configured":
      return { title: "Payment is not set up", text: "This shop cannot take payments yet, so nothing was held. The shop's operator has to connect a payment provider first." };
    case "banned":
      return { title: "You cannot buy in this show", text: "The creator or an operator closed it for you." };
    case "offline":
      return { title: "You are offline", text: `We go on as soon as your connection is back. If ${product.title} was held for you before that, it still is.`, again: "Try again" };
    case "unreachable":
    case "timeout":
      return { title: "No answer yet", text: `The shop does not answer right now. If ${product.title} was held for you, it still is: trying again finds it, and never takes two.`, again: "Try again" };
    case "unavailable":
      return { title: "One moment", text: "The shop cannot read its books right now. Nothing was taken; please try again in a moment.", again: "Try again" };
    case "payment_unavailable":
      return { title: "One moment", text: "The payment company does not answer right now. Nothing was taken; please try again.", again: "Try again" };
    case "too_many_attempts":
      return { title: "One moment", text: "That was a lot of tries at once. Nothing was taken; please wait a little.", again: "Try again" };
    case "stock_unavailable":
      return { title: "One moment", text: "The stock cannot be read right now. Nothing was taken; please try again.", again: "Try again" };
  }
  return { title: "That did not work", text: problem?.message ?? "Nothing was taken. Please try again.", again: "Try again" };
}
