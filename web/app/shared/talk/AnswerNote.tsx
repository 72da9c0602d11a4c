import { IconButton } from "../ui/controls";
import { CheckIcon, CloseIcon } from "../ui/icons";
import type { Talk } from "./talk";
import "./strip.css";

/** Whoever asked is told, once, that it was answered. */
export function AnswerNote({ talk }: { talk: Talk }) {
  const [told] = talk.answered.value;
  return (
    <div class="told" role="status">
      {told && (
        <div class="strip strip-good">
          <CheckIcon />
          <p class="strip-words">
            <span>{told.answer || "Answered in the show."}</span>
            <small>You asked: {told.text}</small>
          </p>
          <IconButton label="Put the answer away" onClick={() => talk.dismissAnswer()}>
            <CloseIcon />
          </IconButton>
        </div>
      )}
    </div>
  );
}
