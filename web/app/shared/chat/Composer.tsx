// Where one types. What the room refuses comes back into the field with the reason, unless something new stands there.

import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Button } from "../ui/controls";
import { SendIcon } from "../ui/icons";
import { lengthOf, MAX_TEXT, tidy, type ChatLog } from "./log";

/** From here on the field says how much room is left. */
const COUNT_FROM = MAX_TEXT - 40;
/** Pasted text beyond any use is cut; the room's own limit is told in words. */
const FIELD_LIMIT = MAX_TEXT * 4;

export function Composer({ log, away, typing }: { log: ChatLog; away: boolean; typing: boolean }) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const now = useRef(text);
  now.current = text;
  const id = useId();
  const wait = useWait(log.waitUntil.value);
  const length = lengthOf(tidy(text));
  const left = MAX_TEXT - length;

  useEffect(() => {
    if (typing) field.current?.focus();
  }, [typing]);
  // A wait that is over needs no explanation any more.
  useEffect(() => {
    if (wait === 0) setProblem("");
  }, [wait]);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (length === 0 || wait > 0) return;
    if (left < 0) return setProblem(`${-left} too many: ${MAX_TEXT} characters at most.`);
    setText("");
    setProblem("");
    const said = await log.say(text);
    if (said.ok) return;
    setProblem(said.problem);
    if (now.current === "") setText(text);
  };

  return (
    <form class="composer" onSubmit={(event) => void submit(event)} noValidate>
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
          placeholder={away ? "Reconnecting" : "Say something"}
          maxLength={FIELD_LIMIT}
          autocomplete="off"
          enterKeyHint="send"
          aria-describedby={[problem ? `${id}-problem` : "", length >= COUNT_FROM ? `${id}-left` : ""].filter(Boolean).join(" ") || undefined}
          aria-invalid={left < 0 || undefined}
          onInput={(event) => {
            setText(event.currentTarget.value);
            if (wait === 0) setProblem("");
          }}
        />
        {length >= COUNT_FROM && (
          <span class="composer-left num" id={`${id}-left`}>
            {left < 0 ? `${-left} too many` : `${left} left`}
          </span>
        )}
        <Button tone="quiet" type="submit" class="composer-send" aria-disabled={wait > 0 || length === 0 || left < 0}>
          <span class="sr-only">{wait > 0 ? "Send, possible in " : "Send"}</span>
          {wait > 0 ? <span class="num">{wait} s</span> : <SendIcon />}
        </Button>
      </div>
    </form>
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
