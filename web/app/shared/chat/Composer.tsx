// Where one types. What the room refuses comes back into the field with the reason, unless something new stands there.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { serverNow, useDeadlines } from "../clock";
import { completed, matching, type Command } from "../talk/commands";
import { spanWords } from "../talk/words";
import { Button } from "../ui/controls";
import { SendIcon } from "../ui/icons";
import { dayAndTime, timeOfDay } from "../when";
import { CommandList } from "./CommandList";
import { lengthOf, MAX_COMMAND, tidy, type ChatLog } from "./log";

/** With less left the field says how much. */
const COUNT_LAST = 40;
/** Pasted text beyond any use is cut; the room's own limit is told in words. */
const FIELD_LIMIT = MAX_COMMAND * 2;
const DAY_MS = 86_400_000;

type ComposerProps = {
  log: ChatLog;
  away: boolean;
  typing: boolean;
  /** Seconds between two lines, for those it holds for; 0: off. */
  slow?: number;
};

export function Composer({ log, away, typing, slow = 0 }: ComposerProps) {
  const text = log.draft.value;
  /** The command that the arrows stand on; -1: none. */
  const [at, setAt] = useState(-1);
  const [listed, list] = useState(true);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const wait = useWait(log.waitUntil.value);
  const { words, until } = log.problem.value;
  // A wait that is over needs no explanation any more.
  const problem = until > 0 && wait === 0 ? "" : words;
  const length = lengthOf(tidy(text));
  const limit = log.limitFor(text);
  const left = limit - length;
  const commands = log.orders.value && listed ? matching(text) : [];

  useEffect(() => {
    if (typing) field.current?.focus();
  }, [typing]);

  const type = (typed: string): void => {
    log.draft.value = typed;
    setAt(-1);
    list(true);
    if (wait === 0) log.forgive();
  };
  const pick = (command: Command): void => {
    type(completed(command));
    field.current?.focus();
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    if (length === 0 || wait > 0) return;
    if (left < 0) log.problem.value = { words: `${-left} too many: ${limit} characters at most.`, until: 0 };
    else void log.sayDraft();
  };
  const press = (event: KeyboardEvent): void => {
    if (commands.length === 0 || event.isComposing) return;
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const chosen = commands[at] ?? (event.key === "Tab" && !event.shiftKey && commands.length === 1 ? commands[0] : undefined);
    const complete = (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) && chosen && completed(chosen).trimEnd() !== text.trim() && !text.trimStart().includes(" ");
    if (step !== 0) setAt((Math.max(at, step < 0 ? 0 : -1) + step + commands.length) % commands.length);
    else if (event.key === "Escape") list(false);
    else if (complete) pick(chosen);
    else return;
    // Not the sheet's Escape, nor the desk's arrows.
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <form class="composer" onSubmit={submit} noValidate>
      {commands.length > 0 && <CommandList id={`${id}-commands`} commands={commands} at={at} onPick={pick} />}
      <Held until={log.heldUntil.value} />
      {log.takenDown.value && log.heldUntil.value === 0 && (
        <p class="composer-note" role="status">
          A moderator took down what you said.
        </p>
      )}
      <p class="composer-note num">
        {slow > 0 && `Slow mode: one line every ${spanWords(slow)}. `}
        {wait > 0 && log.slowed.value && <span>You can write again in {wait} s.</span>}
      </p>
      {/* Said once: the countdown is not read aloud each second. */}
      <p class="sr-only" role="status">
        {wait > 0 && log.slowed.value && "Slow mode: you can write again when Send is free."}
      </p>
      {problem && (
        <p class="composer-problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
      <div class={left < 0 ? "composer-box composer-wrong" : "composer-box"}>
        <label class="sr-only" for={id}>
          Say something
        </label>
        <input
          id={id}
          ref={field}
          value={text}
          placeholder={away ? "Reconnecting" : log.orders.value ? "Say something, or /" : "Say something"}
          maxLength={FIELD_LIMIT}
          autocomplete="off"
          enterKeyHint="send"
          aria-describedby={[problem ? `${id}-problem` : "", left <= COUNT_LAST ? `${id}-left` : ""].filter(Boolean).join(" ") || undefined}
          aria-invalid={left < 0 || undefined}
          aria-autocomplete={log.orders.value ? "list" : undefined}
          aria-controls={commands.length > 0 ? `${id}-commands` : undefined}
          aria-activedescendant={commands[at] ? `${id}-commands-${at}` : undefined}
          onKeyDown={press}
          onInput={(event) => type(event.currentTarget.value)}
        />
        {left <= COUNT_LAST && (
          <span class="composer-left num" id={`${id}-left`}>
            {left < 0 ? `${-left} too many` : `${left} left`}
          </span>
        )}
        <Button tone="quiet" type="submit" class="composer-send" aria-disabled={wait > 0 || length === 0 || left < 0}>
          <span class="sr-only">{wait > 0 ? "Send, possible in " : "Send"}</span>
          {wait > 0 ? <span class="num">{wait} s</span> : <SendIcon />}
        </Button>
      </div>
      {/* Always there: a screen reader hears what changes in it. */}
      <p class="composer-did" role="status">
        {log.did.value}
      </p>
    </form>
  );
}

/** Sending stays possible: only the server knows whether a moderator has thought better of it. */
function Held({ until }: { until: number }) {
  const now = useDeadlines([until], false);
  if (until <= now) return null;
  const when = until - serverNow() < DAY_MS / 2 ? timeOfDay(until) : dayAndTime(new Date(until).toISOString(), now);
  return (
    <p class="composer-note composer-held" role="status">
      You cannot write until {when}.
    </p>
  );
}

/** Whole seconds until a moment of performance.now(), counted down; 0 when it is past. */
function useWait(until: number): number {
  const [, redraw] = useState(0);
  const left = until - performance.now();
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => redraw((n) => n + 1), (left % 1_000) + 10);
    return () => clearTimeout(timer);
  });
  return Math.max(0, Math.ceil(left / 1_000));
}
