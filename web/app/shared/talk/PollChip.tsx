import { clockText, useDeadlines } from "../clock";
import { IconButton } from "../ui/controls";
import { CloseIcon, PollIcon } from "../ui/icons";
import { outcome, type PollView } from "./poll";
import type { Talk } from "./talk";
import "./strip.css";

/** The newest poll, drawn anew as its clock runs and when it ends. */
export function usePoll(talk: Talk): PollView | null {
  const first = talk.pollAt(0);
  const now = useDeadlines(first ? [first.endsAt] : [], true);
  return talk.pollAt(now);
}

type ChipProps = {
  talk: Talk;
  onOpen: () => void;
  /** It opens a sheet. */
  popup?: boolean;
  /** Who looks may vote; hosts only read. */
  votes?: boolean;
};

/** One line about the poll, where there is no room for all of it. */
export function PollChip({ talk, onOpen, popup = false, votes = true }: ChipProps) {
  const poll = usePoll(talk);
  const now = useDeadlines(poll ? [poll.endsAt] : [], true);
  if (!poll || !talk.isNews(poll)) return null;
  return (
    <div class="strip strip-poll">
      <button type="button" class="strip-open" aria-haspopup={popup ? "dialog" : undefined} onClick={onOpen}>
        <PollIcon />
        <span class="strip-words">
          <span>{poll.question}</span>
          <small class="num">{poll.open ? `Poll · ${clockText(poll.endsAt - now)} left` : `Poll closed · ${outcome(poll)}`}</small>
        </span>
        <span class="strip-do">{!poll.open ? "Result" : !votes ? "Tally" : poll.voted ? "Voted" : "Vote"}</span>
      </button>
      {!poll.open && (
        <IconButton label="Put the poll away" onClick={() => talk.dismissPoll(poll.id)}>
          <CloseIcon />
        </IconButton>
      )}
    </div>
  );
}
