// What hosts and moderators do with a line of the chat, and what was done last.

import { useEffect, useState } from "preact/hooks";
import type { ChatLine } from "../events";
import { Button, IconButton } from "../ui/controls";
import { CloseIcon, MoreIcon } from "../ui/icons";
import { Sheet } from "../ui/sheet";
import type { Moderation, Note } from "./moderation";
import "./moderation.css";

/** At the end of a line. Arrows go from one to the next (see ChatPanel). */
export function LineButton({ mod, line, inOrder }: { mod: Moderation; line: ChatLine; inOrder: boolean }) {
  return (
    <IconButton class="line-do" label={`Moderate ${line.name}: ${line.text}`} aria-haspopup="dialog" tabIndex={inOrder ? 0 : -1} data-line={line.id} onClick={() => mod.pick(line)}>
      <MoreIcon />
    </IconButton>
  );
}

const MINUTES = [5, 60] as const;

/** The actions of the line that was picked. Outside of the list, so that they stay when the line goes. */
export function LineSheet({ mod }: { mod: Moderation }) {
  const line = mod.target.value;
  return line && <Actions key={line.id} mod={mod} line={line} />;
}

function Actions({ mod, line }: { mod: Moderation; line: ChatLine }) {
  const [banning, ask] = useState(false);
  const busy = mod.busy.value.has("line");
  const trouble = mod.trouble.value;
  const close = (): void => mod.pick(null);
  // The line's own button may be gone with the line: then the focus goes to the lines.
  useEffect(
    () => () => {
      setTimeout(() => {
        if (document.activeElement === document.body) document.querySelector<HTMLElement>(".chat-scroll")?.focus({ preventScroll: true });
      });
    },
    [],
  );
  const run = async (task: Promise<boolean>): Promise<void> => {
    // Another line's may be open by now.
    if ((await task) && mod.target.peek() === line) close();
  };
  const person = mod.maySilence(line);
  return (
    <Sheet place="center" title={banning ? `Ban ${line.name}?` : line.name} onClose={close}>
      <blockquote class="mod-quote">{line.text}</blockquote>
      {trouble?.at === "line" && (
        <p class="mod-trouble" role="alert">
          {trouble.words}
        </p>
      )}
      {banning ? (
        <>
          <p>{line.name} leaves the show at once, and cannot come back until you let them in. What they said goes too.</p>
          <div class="mod-acts">
            <Button onClick={() => ask(false)}>Keep them</Button>
            <Button tone="danger" busy={busy} onClick={() => void run(mod.ban(line))}>
              Ban
            </Button>
          </div>
        </>
      ) : (
        <div class="mod-list">
          <Button wide busy={busy} onClick={() => void run(mod.dropLine(line))}>
            Delete the line
          </Button>
          {person &&
            MINUTES.map((minutes) => (
              <Button key={minutes} wide aria-disabled={busy} onClick={() => void run(mod.pause(line, minutes * 60))}>
                Time out {minutes} minutes
              </Button>
            ))}
          {person && (
            <Button wide class="mod-ban" aria-disabled={busy} onClick={() => ask(true)}>
              Ban from the show…
            </Button>
          )}
        </div>
      )}
    </Sheet>
  );
}

/** What was done last, with the way back where there is one; and what failed after its own place was closed. */
export function ModNote({ mod }: { mod: Moderation }) {
  const note = mod.note.value;
  const trouble = mod.trouble.value;
  const homeless = trouble?.at === "undo" || (trouble?.at === "line" && !mod.target.value);
  return (
    <>
      <div class="mod-said" role="status">
        {note && <Words mod={mod} note={note} />}
      </div>
      {homeless && (
        <p class="mod-trouble" role="alert">
          {trouble?.words}
        </p>
      )}
    </>
  );
}

function Words({ mod, note }: { mod: Moderation; note: Note }) {
  return (
    <>
      <span>{note.words}</span>
      {note.undo && (
        <Button tone="quiet" busy={mod.busy.value.has("undo")} onClick={() => void note.undo?.()}>
          Undo
        </Button>
      )}
      <IconButton label="Put the note away" onClick={() => (mod.note.value = null)}>
        <CloseIcon />
      </IconButton>
    </>
  );
}
