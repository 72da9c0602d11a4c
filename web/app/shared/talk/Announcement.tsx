import { serverNow } from "../clock";
import { IconButton } from "../ui/controls";
import { CloseIcon, LoudIcon } from "../ui/icons";
import { dayAndTime, timeOfDay } from "../when";
import type { Talk } from "./talk";
import "./strip.css";

/** What the host pinned above the chat: who, when, and a way to put it away for oneself. */
export function AnnouncementCard({ talk, keep = false }: { talk: Talk; /** Those who pin it always see it. */ keep?: boolean }) {
  const now = keep ? talk.announced.value : talk.announcement.value;
  // Always there: a screen reader hears what changes in it.
  return (
    <div class="told" role="status">
      {now && (
        <div class="strip">
          <LoudIcon />
          <p class="strip-words">
            <span>{now.text}</span>
            <small class="num">
              {now.name} · {when(now.at)}
            </small>
          </p>
          {!keep && (
            <IconButton label="Put the announcement away" onClick={() => talk.dismiss()}>
              <CloseIcon />
            </IconButton>
          )}
        </div>
      )}
    </div>
  );
}

const HALF_DAY_MS = 43_200_000;

function when(at: string): string {
  const time = Date.parse(at);
  return serverNow() - time < HALF_DAY_MS ? timeOfDay(time) : dayAndTime(at, serverNow());
}
