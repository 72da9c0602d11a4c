// What hosts and moderators do with one question: answered (in words, or as said in the show), merge, delete.

import { useEffect, useState } from "preact/hooks";
import { Button, TextArea } from "../ui/controls";
import { Sheet } from "../ui/sheet";
import { MAX_ANSWER, type Questions } from "./questions";
import type { Question } from "./types";

type DeskProps = { questions: Questions; question: Question };
type Step = "merge" | "delete";

export function QuestionDesk({ questions, question }: DeskProps) {
  const [step, go] = useState<Step | null>(null);
  const open = question.state === "open";
  const about = `: ${question.text}`;
  const busy = questions.busy.value.has(question.id);
  const close = (): void => go(null);
  return (
    <div class="ask-do">
      {open && (
        <Button busy={busy} aria-label={`Answered${about}`} onClick={() => (questions.answering.value = question)}>
          Answered
        </Button>
      )}
      {open && (
        <Button tone="quiet" aria-label={`Merge${about}`} onClick={() => go("merge")}>
          Merge
        </Button>
      )}
      <Button tone="quiet" aria-label={`Delete${about}`} onClick={() => go("delete")}>
        Delete
      </Button>
      {step === "merge" && <MergeSheet questions={questions} question={question} onClose={close} />}
      {step === "delete" && (
        <Sheet place="center" title="Delete this question?" onClose={close}>
          <p>“{question.text}”</p>
          <p class="ask-hint">It is gone for everybody, with its votes.</p>
          <div class="ask-acts">
            <Button onClick={close}>Keep it</Button>
            <Button
              tone="danger"
              onClick={() => {
                close();
                void questions.remove(question);
              }}
            >
              Delete
            </Button>
          </div>
        </Sheet>
      )}
    </div>
  );
}

type SheetProps = DeskProps & { onClose: () => void };

/** Where the question that was picked is answered. Outside of the list: what is being typed stays when the row moves or goes. */
export function AnswerSheet({ questions }: { questions: Questions }) {
  const question = questions.answering.value;
  return question && <Answering key={question.id} questions={questions} question={question} onClose={() => (questions.answering.value = null)} />;
}

function Answering({ questions, question, onClose }: SheetProps) {
  const text = questions.answerTo(question.id);
  const trouble = questions.trouble.value;
  // The row's own button may be gone with the row: then the focus goes to the questions.
  useEffect(
    () => () => {
      setTimeout(() => {
        if (document.activeElement === document.body) document.querySelector<HTMLElement>(".ask-scroll")?.focus({ preventScroll: true });
      });
    },
    [],
  );
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if ((await questions.answer(question, text)) && questions.answering.peek() === question) onClose();
  };
  return (
    <Sheet place="center" title="Answered" onClose={onClose}>
      <form class="ask-sheet" onSubmit={(event) => void submit(event)}>
        <p>“{question.text}”</p>
        <TextArea label="The answer in words, if you like" hint="Whoever asked is told. Without words it reads “answered in the show”." value={text} onInput={(typed) => questions.typeAnswer(question.id, typed)} maxLength={MAX_ANSWER} error={trouble?.at === question.id ? trouble.words : null} />
        <div class="ask-acts">
          <Button onClick={onClose}>Not yet</Button>
          <Button type="submit" tone="primary" busy={questions.busy.value.has(question.id)}>
            Mark as answered
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

function MergeSheet({ questions, question, onClose }: SheetProps) {
  const rest = questions.openOnes.value.filter(({ id }) => id !== question.id);
  const trouble = questions.trouble.value;
  return (
    <Sheet place="center" title="Merge into which question?" onClose={onClose}>
      <div class="ask-sheet">
        <p>“{question.text}” goes away; its votes and askers move.</p>
        {rest.length === 0 && <p class="ask-hint">There is no other open question.</p>}
        <ul class="ask-targets">
          {rest.map((into) => (
            <li key={into.id}>
              <Button
                wide
                class="ask-target"
                busy={questions.busy.value.has(question.id)}
                onClick={async () => {
                  if (await questions.merge(question, into)) onClose();
                }}
              >
                <span>{into.text}</span>
                <span class="num">
                  {into.votes}
                  <span class="sr-only"> votes</span>
                </span>
              </Button>
            </li>
          ))}
        </ul>
        {trouble?.at === question.id && (
          <p class="ask-trouble" role="alert">
            {trouble.words}
          </p>
        )}
      </div>
    </Sheet>
  );
}
