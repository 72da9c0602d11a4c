import { useEffect, useRef, useState } from "preact/hooks";
import { clockText, useServerNow } from "../../shared/clock";
import type { Purchase } from "./purchase";

/** Seconds before the end at which a screen reader hears how long is left. */
const ANNOUNCE_S = [60, 20];
/** The server ends holds, not this clock: a moment's grace keeps us from being the first to say so. */
const GRACE_MS = 500;

/** How long the unit stays ours: a thin bar that empties on the server's clock. */
export function HoldTimer({ purchase }: { purchase: Purchase }) {
  const held = purchase.step.value === "held";
  const stood = purchase.stood.value;
  const running = held && stood === null;
  const now = useServerNow(running ? 500 : 0);
  const left = stood ?? Math.max(0, purchase.expiresAt.value - now);
  const [said, say] = useState("");
  const before = useRef(Infinity);

  useEffect(() => {
    if (running && now > purchase.expiresAt.peek() + GRACE_MS) void purchase.runOut();
    const mark = ANNOUNCE_S.find((s) => left <= s * 1000 && before.current > s * 1000);
    before.current = left;
    if (mark) say(`Held for another ${mark} seconds`);
  }, [now, running]);

  // While the bank is asked the unit cannot lapse, so a clock would only frighten.
  if (!held) return <p class="timer-text">Held for you while your bank is asked</p>;
  return (
    <div class="timer">
      <p class="timer-text" role="timer">
        Held for you: <strong class="num">{clockText(left)}</strong>
        {!running && ", and the clock waits until the show is back"}
      </p>
      <div class="timer-bar" aria-hidden="true">
        <span style={{ transform: `scaleX(${Math.min(1, left / purchase.length.value)})` }} />
      </div>
      <p class="sr-only" aria-live="polite">
        {said}
      </p>
    </div>
  );
}
