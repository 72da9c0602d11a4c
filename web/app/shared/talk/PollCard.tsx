// A poll in full: choices to tap while it is open, and what they got once one has chosen or it is over.

import { useRef, useState } from "preact/hooks";
import { clockText, useDeadlines } from "../clock";
import { useKeptFocus } from "../ui/focus";
import { CheckIcon } from "../ui/icons";
import { outcome, type PollChoice, type PollView } from "./poll";
import { usePoll } from "./PollChip";
import type { Talk } from "./talk";
import "./poll.css";

export function PollCard({ talk, closed = false }: { talk: Talk; /** Nobody can vote any more, whatever the clock says. */ closed?: boolean }) {
  const poll = usePoll(talk);
  if (!poll) return <p class="poll-none">There is no poll right now.</p>;
  return <Card key={poll.id} talk={talk} poll={closed ? { ...poll, open: false } : poll} />;
}

function Card({ talk, poll }: { talk: Talk; poll: PollView }) {
  const results = !poll.open || poll.voted;
  const trouble = talk.voteTrouble.value;
  const list = useRef<HTMLUListElement>(null);
  // Choices are no buttons any more once it is closed: the list then keeps the place.
  useKeptFocus(list);
  return (
    <section class="poll" aria-label="Poll">
      <h3 class="poll-question">{poll.question}</h3>
      <PollState poll={poll} />
      <ul class="poll-choices" ref={list} tabIndex={-1}>
        {poll.choices.map((choice, i) => (
          <li key={i}>{poll.open ? <Choice choice={choice} results={results} onPick={() => void talk.vote(poll.id, i)} /> : <Bar choice={choice} />}</li>
        ))}
      </ul>
      <p class="poll-foot num">
        {trouble?.poll === poll.id ? (
          <span class="poll-trouble" role="alert">
            {trouble.words}
          </span>
        ) : poll.open && !poll.voted ? (
          "The result shows once you have chosen."
        ) : (
          `${voices(poll.voters)}${poll.open ? " · You may change your mind until it ends." : ""}`
        )}
      </p>
    </section>
  );
}

function PollState({ poll }: { poll: PollView }) {
  const now = useDeadlines([poll.endsAt], true);
  const [was] = useState(poll.open);
  return (
    <>
      <p class="poll-state num">{poll.open ? `${clockText(poll.endsAt - now)} left` : `Closed. ${outcome(poll)}`}</p>
      {/* The clock is not read aloud each second, but that it is over is. */}
      <p class="sr-only" role="status">
        {was && !poll.open && `The poll is closed. ${outcome(poll)}`}
      </p>
    </>
  );
}

function Choice({ choice, results, onPick }: { choice: PollChoice; results: boolean; onPick: () => void }) {
  return (
    <button type="button" class="poll-choice poll-pick" aria-pressed={choice.mine} onClick={onPick}>
      {results && <Fill percent={choice.percent} />}
      <span class="poll-text">
        {choice.mine && <CheckIcon />}
        {choice.text}
      </span>
      {results && <span class="poll-percent num">{choice.percent} %</span>}
    </button>
  );
}

function Bar({ choice }: { choice: PollChoice }) {
  return (
    <div class={choice.mine ? "poll-choice poll-mine" : "poll-choice"}>
      <Fill percent={choice.percent} />
      <span class="poll-text">
        {choice.mine && <CheckIcon />}
        {choice.text}
        {choice.mine && <span class="sr-only"> (your choice)</span>}
      </span>
      <span class="poll-percent num">{choice.percent} %</span>
    </div>
  );
}

/** The share as a length. Its width is an attribute: the page's policy allows no styles in the markup. */
export function Fill({ percent }: { percent: number }) {
  return (
    <svg class="poll-fill" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      <rect width={percent} height="1" />
    </svg>
  );
}

export const voices = (count: number): string => (count === 1 ? "1 vote" : `${count} votes`);
