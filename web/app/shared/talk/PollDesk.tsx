// A poll at the desk: made here, watched while it runs, closed early if need be.

import { useRef, useState } from "preact/hooks";
import { clockText, useDeadlines } from "../clock";
import { Button, Field, IconButton, Select } from "../ui/controls";
import { CloseIcon } from "../ui/icons";
import { Trouble } from "./ModerationPanel";
import { POLL_SECONDS, type Moderation } from "./moderation";
import { MAX_CHOICE, MAX_CHOICES, MAX_QUESTION, MIN_CHOICES, outcome, pollFault, type PollView } from "./poll";
import { Fill, voices } from "./PollCard";
import { usePoll } from "./PollChip";
import { spanWords } from "./words";
import "./poll.css";

export function PollDesk({ mod, closed }: { mod: Moderation; closed: boolean }) {
  const poll = usePoll(mod.talk);
  return (
    <div class="poll">
      {poll && <Tally mod={mod} poll={closed ? { ...poll, open: false } : poll} />}
      {!closed && !poll?.open && <Maker mod={mod} again={poll !== null} />}
      {closed && !poll && <p class="poll-none">There was no poll in this show.</p>}
    </div>
  );
}

function Tally({ mod, poll }: { mod: Moderation; poll: PollView }) {
  const now = useDeadlines([poll.endsAt], true);
  return (
    <section class="poll-tally" aria-label="Poll">
      <h3 class="poll-question">{poll.question}</h3>
      <p class="poll-state num">{poll.open ? `${clockText(poll.endsAt - now)} left · ${voices(poll.voters)}` : `Closed · ${voices(poll.voters)} · ${outcome(poll)}`}</p>
      <ul class="poll-choices">
        {poll.choices.map(({ text, percent, votes }, i) => (
          <li key={i} class="poll-choice">
            <Fill percent={percent} />
            <span class="poll-text">{text}</span>
            <span class="poll-percent num">
              {votes} · {percent} %
            </span>
          </li>
        ))}
      </ul>
      {poll.open && (
        <Button busy={mod.busy.value.has("endpoll")} onClick={() => void mod.endPoll(poll.id)}>
          Close the poll
        </Button>
      )}
      <Trouble mod={mod} at="endpoll" />
    </section>
  );
}

function Maker({ mod, again }: { mod: Moderation; again: boolean }) {
  const { question, choices, seconds } = mod.drafts;
  const [fault, setFault] = useState<string | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const set = (i: number, text: string): void => {
    setFault(null);
    choices.value = choices.peek().map((choice, n) => (n === i ? text : choice));
  };
  const fields = (): HTMLInputElement[] => [...(form.current?.querySelectorAll<HTMLInputElement>("input[name^=choice]") ?? [])];
  const add = (): void => {
    choices.value = [...choices.peek(), ""];
    requestAnimationFrame(() => fields().at(-1)?.focus());
  };
  const remove = (i: number): void => {
    choices.value = choices.peek().filter((_, n) => n !== i);
    requestAnimationFrame(() => fields()[Math.max(0, i - 1)]?.focus());
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const typed = { question: question.peek(), choices: choices.peek() };
    const wrong = pollFault(typed.question, typed.choices);
    setFault(wrong);
    // What was typed meanwhile stays.
    if (wrong || !(await mod.openPoll(typed.question, typed.choices, seconds.peek())) || question.peek() !== typed.question || choices.peek() !== typed.choices) return;
    question.value = "";
    choices.value = ["", ""];
  };
  return (
    <form class="poll-maker" ref={form} noValidate onSubmit={(event) => void submit(event)} aria-label={again ? "Another poll" : "A new poll"}>
      <Field label={again ? "Ask something else" : "Ask your viewers"} name="question" autocomplete="off" maxLength={MAX_QUESTION} value={question.value} onInput={(value) => (setFault(null), (question.value = value))} />
      {choices.value.map((choice, i) => (
        <div class="poll-maker-choice" key={i}>
          <Field label={`Choice ${i + 1}`} name={`choice-${i + 1}`} autocomplete="off" maxLength={MAX_CHOICE} value={choice} onInput={(value) => set(i, value)} />
          {choices.value.length > MIN_CHOICES && (
            <IconButton label={`Remove choice ${i + 1}`} onClick={() => remove(i)}>
              <CloseIcon />
            </IconButton>
          )}
        </div>
      ))}
      {choices.value.length < MAX_CHOICES && (
        <Button class="poll-maker-more" onClick={add}>
          Add a choice
        </Button>
      )}
      <Select label="Open for" value={String(seconds.value)} options={POLL_SECONDS.map((each) => ({ value: String(each), label: spanWords(each) }))} onChange={(value) => (seconds.value = Number(value))} />
      {fault && (
        <p class="poll-trouble" role="alert">
          {fault}
        </p>
      )}
      <Trouble mod={mod} at="poll" />
      <Button type="submit" tone="primary" busy={mod.busy.value.has("poll")}>
        Open the poll
      </Button>
    </form>
  );
}
