// Chat, questions, poll and, for who moderates, the rules: in a sheet on a phone, in the column at a desk.

import type { Signal } from "@preact/signals";
import { ChatPanel } from "../../shared/chat/ChatPanel";
import { HeartButton } from "../../shared/chat/Hearts";
import { me } from "../../shared/session";
import { AnnouncementCard } from "../../shared/talk/Announcement";
import { AnswerNote } from "../../shared/talk/AnswerNote";
import { PollCard } from "../../shared/talk/PollCard";
import { PollChip, usePoll } from "../../shared/talk/PollChip";
import { QuestionsPanel } from "../../shared/talk/QuestionsPanel";
import { Tabs, type Tab } from "../../shared/ui/tabs";
import { lazyPart } from "../lazy";
import type { WatchModel } from "./model";
import type { TalkTab } from "./Talk";
import { chatClosed, moderationOf, talkOf } from "./talking";

const Rules = lazyPart(() => import("./Rules"));
const Keeper = lazyPart(() => import("./Keeper"));

export function TalkPanel({ model, at, typing = false }: { model: WatchModel; at: Signal<TalkTab | null>; typing?: boolean }) {
  const talk = talkOf(model);
  const poll = usePoll(talk);
  const closed = chatClosed(model);
  const moderates = talk.moderates.value;
  const mod = moderates && !closed ? moderationOf(talk) : null;
  const here = at.value ?? "chat";
  const tabs: Tab<TalkTab>[] = [
    {
      name: "chat",
      label: "Chat",
      panel: () => (
        <ChatPanel
          log={model.chat}
          closed={closed}
          away={model.stale.value}
          typing={typing}
          slow={moderates ? 0 : talk.slow.value}
          actions={mod ? { has: (line) => mod.mayDrop(line), draw: (line, inOrder) => <Keeper mod={mod} line={line} inOrder={inOrder} /> } : undefined}
          top={
            !closed && (
              <>
                <AnnouncementCard talk={talk} />
                <AnswerNote talk={talk} />
                <PollChip talk={talk} votes={!moderates} onOpen={() => (at.value = "poll")} />
              </>
            )
          }
          beside={<HeartButton log={model.chat} />}
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
      panel: () => <QuestionsPanel talk={talk} closed={closed && "The show has ended. Questions can be read, not asked."} moderates={moderates} me={me.value !== null} />,
    },
  ];
  if (poll || mod) tabs.push({ name: "poll", label: "Poll", panel: () => (mod ? <Rules mod={mod} part="poll" /> : <PollCard talk={talk} closed={closed !== null} />) });
  if (mod) tabs.push({ name: "rules", label: "Rules", panel: () => <Rules mod={mod} part="rules" /> });
  return (
    <>
      <Tabs label="Talk of this show" tabs={tabs} at={tabs.some(({ name }) => name === here) ? here : "chat"} onPick={(name) => (at.value = name)} />
      {mod && <Keeper mod={mod} />}
    </>
  );
}
