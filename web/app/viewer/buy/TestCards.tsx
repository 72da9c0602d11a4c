import { Button } from "../../shared/ui/controls";
import type { CardForm } from "./card";

const CARDS: { words: string; number: string }[] = [
  { words: "pays", number: "4242 4242 4242 4242" },
  { words: "is declined", number: "4000 0000 0000 0002" },
  { words: "has too little money", number: "4000 0000 0000 9995" },
  { words: "asks your bank (3-D Secure)", number: "4000 0000 0000 3220" },
];

/** Only where money is play money. */
export function TestCards({ onPick }: { onPick: (card: CardForm) => void }) {
  return (
    <details class="test-cards">
      <summary>This is a demo with play money: test cards</summary>
      <ul>
        {CARDS.map((card) => (
          <li key={card.number}>
            <Button onClick={() => onPick({ number: card.number, expiry: "12 / 34", cvc: "123" })}>
              <span class="num">{card.number}</span> {card.words}
            </Button>
          </li>
        ))}
      </ul>
    </details>
  );
}
