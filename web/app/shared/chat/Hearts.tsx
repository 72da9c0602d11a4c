// The heart: taps go out as counts, and come back as counts of everybody's.

import { useEffect, useRef, useState } from "preact/hooks";
import { IconButton } from "../ui/controls";
import { HeartIcon } from "../ui/icons";
import type { ChatLog, HeartBurst } from "./log";
import "./hearts.css";

const SHOWN_MS = 1_600;
/** Bursts drawn at once; more would only be noise. */
const MAX_SHOWN = 4;

export function HeartButton({ log, class: extra = "" }: { log: ChatLog; class?: string }) {
  return (
    <span class="heart">
      <IconButton class={`heart-button ${extra}`} label="Send a heart" onClick={() => log.heart()}>
        <HeartIcon />
      </IconButton>
      <HeartBursts log={log} />
    </span>
  );
}

/** What the room counted since its last word, rising once. */
export function HeartBursts({ log }: { log: ChatLog }) {
  const [shown, show] = useState<HeartBurst[]>([]);
  const timers = useRef(new Set<ReturnType<typeof setTimeout>>());
  const burst = log.hearts.value;
  const first = useRef(burst.n);
  useEffect(() => {
    // What was counted before this was drawn is past.
    if (burst.n === first.current) return;
    first.current = -1;
    show((all) => [...all, burst].slice(-MAX_SHOWN));
    const timer = setTimeout(() => {
      timers.current.delete(timer);
      show((all) => all.filter(({ n }) => n !== burst.n));
    }, SHOWN_MS);
    timers.current.add(timer);
  }, [burst]);
  useEffect(() => () => timers.current.forEach(clearTimeout), []);
  return (
    <span class="heart-bursts" aria-hidden="true">
      {shown.map(({ n, count }) => (
        <span key={n} class={`heart-burst num heart-lane-${n % 3}`}>
          <HeartIcon />
          {count > 1 && count}
        </span>
      ))}
    </span>
  );
}
