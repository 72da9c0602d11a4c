// The questions of a show: asking, voting, and what was answered. Who moderates answers, merges and deletes here too.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Button, Field } from "../ui/controls";
import { useKeptFocus } from "../ui/focus";
import { CheckIcon, UpIcon } from "../ui/icons";
import { Skeleton } from "../ui/states";
import { AnswerSheet, QuestionDesk } from "./QuestionDesk";
import { MAX_QUESTION, questionFault, Questions } from "./questions";
import type { Talk } from "./talk";
import type { Question } from "./types";
import { wordsFor } from "./words";
import "./questions.css";

type PanelProps = { talk: Talk; /** Why nobody can ask any more; null when one can. */ closed: string | null; moderates: boolean; /** The server knows this person: else nobody can be told. */ me: boolean };

export function QuestionsPanel({ talk, closed, moderates, me }: PanelProps) {
  const questions = useMemo(() => new Questions(talk, moderates), [talk, moderates]);
  useEffect(() => {
    void questions.read();
    return () => questions.close();
  }, [questions]);
  return (
    <div class="ask">
      <List questions={questions} closed={closed} moderates={moderates} />
      {moderates && !closed && <AnswerSheet questions={questions} />}
      <p class="ask-said" role="status">
        {questions.said.value}
      </p>
      {closed ? <p class="ask-closed">{closed}</p> : !me ? <p class="ask-closed">We do not know who you are yet. Load this page again, then you can ask.</p> : !moderates && <Ask questions={questions} talk={talk} />}
    </div>
  );
}

function List({ questions, closed, moderates }: { questions: Questions; closed: string | null; moderates: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  useKeptFocus(box);
  const open = questions.openOnes.value;
  const answered = questions.answeredOnes.value;
  const state = questions.state.value;
  const row = (question: Question): ComponentChildren => <Row key={question.id} questions={questions} question={question} moderates={moderates && !closed} fixed={closed !== null} />;
  return (
    <div class="ask-scroll" ref={box} tabIndex={0} role="region" aria-label="Questions" aria-busy={state === "loading"}>
      {state === "loading" && (
        <>
          <span class="sr-only">Loading the questions</span>
          <Skeleton class="ask-skeleton" />
          <Skeleton class="ask-skeleton" />
        </>
      )}
      {state === "failed" && (
        <div class="ask-none" role="alert">
          <strong>The questions did not load</strong>
          <p>{wordsFor(questions.failure.value)}</p>
          <Button onClick={() => questions.retry()}>Try again</Button>
        </div>
      )}
      {state === "ready" && open.length + answered.length === 0 && (
        <div class="ask-none">
          <strong>No questions yet</strong>
          <p>{moderates ? "What viewers ask is listed here, what most want to know first." : "Ask one. What most want to know comes first."}</p>
        </div>
      )}
      {open.length > 0 && <ol class="ask-list">{open.map(row)}</ol>}
      {answered.length > 0 && (
        <>
          <h3 class="ask-head">Answered</h3>
          <ol class="ask-list">{answered.map(row)}</ol>
        </>
      )}
      {questions.next.value && (
        <Button class="ask-more" busy={questions.busy.value.has("more")} onClick={() => void questions.more()}>
          Show more
        </Button>
      )}
    </div>
  );
}

type RowProps = { questions: Questions; question: Question; moderates: boolean; fixed: boolean };

function Row({ questions, question, moderates, fixed }: RowProps) {
  const { text, votes, voted, mine, state, answer, askers, asked_by_name: name } = question;
  const trouble = questions.trouble.value;
  const open = state === "open";
  const words = votes === 1 ? "1 vote" : `${votes} votes`;
  return (
    <li class={mine ? "ask-row ask-mine" : "ask-row"}>
      {open && !fixed && !moderates ? (
        <button type="button" class="ask-vote" aria-pressed={voted} aria-label={`I want to know this too, ${words}: ${text}`} onClick={() => void questions.vote(question)}>
          <UpIcon />
          <span class="num">{votes}</span>
        </button>
      ) : (
        <span class="ask-votes num" title={words}>
          {open ? votes : <CheckIcon />}
          <span class="sr-only"> {open ? "votes" : "answered"}</span>
        </span>
      )}
      <div class="ask-words">
        <p class="ask-text">{text}</p>
        {answer && <p class="ask-answer">{answer}</p>}
        <p class="ask-who num">
          {mine ? (askers > 1 ? `You and ${others(askers - 1)} asked` : "You asked") : `${name}${askers > 1 ? ` and ${others(askers - 1)}` : ""}`}
          {state === "answered" && !answer && " · answered in the show"}
        </p>
        {mine && open && askers === 1 && !moderates && !fixed && (
          <Button tone="quiet" class="ask-back" busy={questions.busy.value.has(question.id)} onClick={() => void questions.remove(question)}>
            Take it back
          </Button>
        )}
        {trouble?.at === question.id && (
          <p class="ask-trouble" role="alert">
            {trouble.words}
          </p>
        )}
      </div>
      {moderates && <QuestionDesk questions={questions} question={question} />}
    </li>
  );
}

const others = (count: number): string => (count === 1 ? "1 other" : `${count} others`);

function Ask({ questions, talk }: { questions: Questions; talk: Talk }) {
  const [fault, setFault] = useState<string | null>(null);
  const text = talk.draft;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const asked = text.peek();
    const wrong = questionFault(asked);
    setFault(wrong);
    // What was typed meanwhile stays.
    if (!wrong && (await questions.ask(asked)) && text.peek() === asked) text.value = "";
  };
  return (
    <form class="ask-form" noValidate onSubmit={(event) => void submit(event)}>
      <Field
        label="Your question"
        name="question"
        autocomplete="off"
        enterKeyHint="send"
        maxLength={MAX_QUESTION * 2}
        value={text.value}
        onInput={(value) => {
          text.value = value;
          talk.askTrouble.value = "";
          setFault(null);
        }}
        error={fault ?? (talk.askTrouble.value || null)}
      />
      <Button type="submit" tone="primary" busy={questions.busy.value.has("ask")}>
        Ask
      </Button>
    </form>
  );
}
