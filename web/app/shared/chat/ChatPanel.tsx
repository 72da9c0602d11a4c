// The whole conversation: its lines, the own ones that wait, and where one types. For a column or a sheet.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ChatLine } from "../events";
import { Button } from "../ui/controls";
import { useKeptFocus } from "../ui/focus";
import { Composer } from "./Composer";
import type { ChatLog, PendingLine } from "./log";
import { Who } from "./Who";
import "./chat.css";

/** So near to the end counts as at the end. */
const END_PX = 24;

interface LineActions {
  /** Whether there is anything to be done with it. */
  has: (line: ChatLine) => boolean;
  draw: (line: ChatLine, inOrder: boolean) => ComponentChildren;
}

type PanelProps = {
  log: ChatLog;
  /** Said instead of the field where nobody can talk (any more). */
  closed?: string | null | undefined;
  /** The room cannot be reached right now. */
  away?: boolean;
  /** The field has the focus from the start. */
  typing?: boolean;
  /** What can be done with a line: shown at its end. Only one line's control is in the order of the Tab key. */
  actions?: LineActions | undefined;
  /** Stands above the lines. */
  top?: ComponentChildren;
  /** Seconds between two lines of this person. */
  slow?: number;
  /** Stands beside the field: the heart, for viewers. */
  beside?: ComponentChildren;
};

export function ChatPanel({ log, closed = null, away = false, typing = false, actions, top, slow = 0, beside }: PanelProps) {
  const [listening, listen] = useState(false);
  return (
    <div
      class="chat"
      // A conversation read aloud by itself would drown the show: only who is in it hears it.
      onFocusIn={() => listen(true)}
      onFocusOut={(event) => listen(event.currentTarget.contains(event.relatedTarget as Node | null))}
    >
      {top}
      <Lines log={log} listening={listening} actions={actions} />
      {closed ? (
        <p class="chat-closed">{closed}</p>
      ) : (
        <div class="chat-foot">
          <Composer log={log} away={away} typing={typing} slow={slow} />
          {beside}
        </div>
      )}
    </div>
  );
}

function Lines({ log, listening, actions }: { log: ChatLog; listening: boolean; actions: PanelProps["actions"] }) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  /** How many had been heard when the reader left the end; null while at the end. */
  const [since, setSince] = useState<number | null>(null);
  const lines = log.lines.value;
  const pending = log.pending.value;

  const toEnd = (): void => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  // Before it is painted: a new line pushes the others up instead of appearing below.
  useLayoutEffect(() => {
    if (atEnd.current) toEnd();
  }, [lines, pending]);
  // Who says something wants to see it.
  const own = pending.length;
  const before = useRef(own);
  useLayoutEffect(() => {
    if (own > before.current) toEnd();
    before.current = own;
  }, [own]);
  // A keyboard that comes up, or another width, must not leave the end.
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const watch = new ResizeObserver(() => atEnd.current && toEnd());
    watch.observe(element);
    // What belongs to a line may be drawn later than the line.
    if (element.lastElementChild) watch.observe(element.lastElementChild);
    return () => watch.disconnect();
  }, []);

  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    const now = element.scrollHeight - element.scrollTop - element.clientHeight <= END_PX;
    if (now === atEnd.current) return;
    atEnd.current = now;
    setSince(now ? null : log.heard.peek());
  };
  const fresh = since === null ? 0 : log.heard.value - since;
  // Up and down go from line to line; Tab passes all of them in one step.
  const [stop, setStop] = useState("");
  const acting = actions ? lines.filter(actions.has) : [];
  const inOrder = acting.some(({ id }) => id === stop) ? stop : acting.at(-1)?.id;
  useKeptFocus(box);
  const walk = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step === 0 || !(event.target instanceof HTMLElement) || !event.target.matches("[data-line]")) return;
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[data-line]") ?? [])];
    all[all.indexOf(event.target) + step]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  const stand = (event: FocusEvent): void => {
    const line = event.target instanceof HTMLElement ? event.target.dataset.line : undefined;
    if (line) setStop(line);
  };
  return (
    <div class="chat-box" onKeyDown={walk} onFocusIn={stand}>
      <div class="chat-scroll" ref={box} role="log" aria-label="Chat" aria-live={listening ? "polite" : "off"} tabIndex={0} onScroll={onScroll}>
        {log.empty.value && <p class="chat-empty">Nobody has said anything yet. Say hello!</p>}
        <ol>
          {lines.map((line) => (
            <Line key={line.id} line={line} mine={log.isMine(line)} actions={actions?.has(line) && actions.draw(line, line.id === inOrder)} />
          ))}
          {pending.map((line) => (
            <Pending key={line.callId} log={log} line={line} />
          ))}
        </ol>
      </div>
      {fresh > 0 && (
        <button type="button" class="chat-pill" onClick={toEnd}>
          <span class="num">{fresh > 99 ? "99+" : fresh}</span> new {fresh === 1 ? "line" : "lines"}
        </button>
      )}
    </div>
  );
}

export function Line({ line, mine, actions }: { line: ChatLine; mine: boolean; actions?: ComponentChildren }) {
  return (
    <li class={`chat-line${mine ? " chat-mine" : ""}${actions ? " chat-doing" : ""}`}>
      <span>
        <Who line={line} mine={mine} />
        {line.text}
      </span>
      {actions}
    </li>
  );
}

function Pending({ log, line }: { log: ChatLog; line: PendingLine }) {
  const failed = line.state === "failed";
  return (
    <li class={failed ? "chat-line chat-mine chat-failed" : "chat-line chat-mine chat-sending"}>
      <span>
        <strong class="chat-name">You</strong> {line.text}
      </span>
      {failed ? (
        <span class="chat-again" role="status">
          <span>Not sent.</span>
          <Button tone="quiet" onClick={() => void log.retry(line.callId)}>
            Try again
          </Button>
          <Button tone="quiet" onClick={() => log.discard(line.callId)}>
            Remove
          </Button>
        </span>
      ) : (
        <span class="sr-only">sending</span>
      )}
    </li>
  );
}
