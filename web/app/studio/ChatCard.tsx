// The talk of the show, as its host sees it and takes part in it: chat, questions, poll; and the rules of it below.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { ChatPanel, type ChatLog } from "../shared/chat";
import type { Room } from "../shared/realtime";
import { AnnouncementCard } from "../shared/talk/Announcement";
import { LineButton, LineSheet, ModNote } from "../shared/talk/LineActions";
import type { Moderation } from "../shared/talk/moderation";
import { ModerationPanel } from "../shared/talk/ModerationPanel";
import { PollDesk } from "../shared/talk/PollDesk";
import { PollChip } from "../shared/talk/PollChip";
import { QuestionsPanel } from "../shared/talk/QuestionsPanel";
import { Tabs, type Tab } from "../shared/ui/tabs";

type Part = "chat" | "questions" | "poll";

export function ChatCard({ log, room, mod, ended }: { log: ChatLog; room: Room; mod: Moderation; ended: boolean }): JSX.Element {
  const at = useSignal<Part>("chat");
  const { talk } = mod;
  const tabs: Tab<Part>[] = [
    {
      name: "chat",
      label: "Chat",
      panel: () => (
        <ChatPanel
          log={log}
          away={room.phase.value === "waiting"}
          closed={ended ? "The show is over, and so is the chat." : null}
          top={
            !ended && (
              <>
                <AnnouncementCard talk={talk} keep />
                <PollChip talk={talk} votes={false} onOpen={() => (at.value = "poll")} />
              </>
            )
          }
          actions={ended ? undefined : { has: (line) => mod.mayDrop(line), draw: (line, inOrder) => <LineButton mod={mod} line={line} inOrder={inOrder} /> }}
        />
      ),
    },
    {
      name: "questions",
      label: (
        <>
          Questions{talk.open.value > 0 && <span class="num">({talk.open.value})</span>}
        </>
      ),
      panel: () => <QuestionsPanel talk={talk} closed={ended ? "The show is over. Questions can be read." : null} moderates me />,
    },
    { name: "poll", label: "Poll", panel: () => <PollDesk mod={mod} closed={ended} /> },
  ];
  return (
    <section class="st-card st-chat" aria-label="Chat and questions">
      <Tabs label="Talk of this show" tabs={tabs} at={at.value} onPick={(name) => (at.value = name)} />
      <ModNote mod={mod} />
      <LineSheet mod={mod} />
    </section>
  );
}

/** Slow mode, announcement, who moderates, who is kept out: folded away until it is wanted. */
export function RulesCard({ mod }: { mod: Moderation }): JSX.Element {
  return (
    <section class="st-card st-obs" aria-label="Rules of the chat">
      <details>
        <summary>
          <h2>Rules and moderators</h2>
        </summary>
        <ModerationPanel mod={mod} host />
      </details>
    </section>
  );
}
