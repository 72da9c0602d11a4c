// Under the thumb, and over the picture: the newest lines, what was announced, a poll, and the ways into the whole talk.

import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { HeartButton } from "../../shared/chat/Hearts";
import { Who } from "../../shared/chat/Who";
import { AnnouncementCard } from "../../shared/talk/Announcement";
import { AnswerNote } from "../../shared/talk/AnswerNote";
import { PollChip } from "../../shared/talk/PollChip";
import { ChatIcon } from "../../shared/ui/icons";
import type { WatchModel } from "./model";
import { TalkSheet, type TalkTab } from "./Talk";
import { chatClosed, talkOf } from "./talking";
import "./talk.css";

const LINES = 5;

type PartProps = { model: WatchModel; open: Signal<TalkTab | null> };

/** The newest lines, fading upward over the picture. One tap opens all of them. */
export function ChatFade({ model, open }: PartProps) {
  const { chat } = model;
  const mine = chat.pending.value.slice(-1);
  const lines = chat.lines.value.slice(mine.length - LINES);
  if (lines.length + mine.length === 0) return null;
  return (
    <button type="button" class="fade" aria-haspopup="dialog" onClick={() => (open.value = "chat")}>
      <span class="sr-only">Open the chat: </span>
      <span class="fade-lines">
        {lines.map((line) => (
          <span class="fade-line" key={line.id}>
            <Who line={line} mine={chat.isMine(line)} />
            {line.text}
          </span>
        ))}
        {mine.map((line) => (
          <span class="fade-line" key={line.callId}>
            <strong>You</strong> {line.text} {line.state === "failed" && <em>Not sent</em>}
          </span>
        ))}
      </span>
    </button>
  );
}

/** What is sold, saying something, a heart; above them what was told. It lies over the page, so that nothing jumps under a thumb. */
export default function Dock({ model, open, children }: PartProps & { children?: ComponentChildren }) {
  const closed = chatClosed(model);
  const talk = talkOf(model);
  return (
    <div class="dock">
      {!closed && (
        <div class="dock-told">
          <AnnouncementCard talk={talk} />
          <AnswerNote talk={talk} />
          <PollChip talk={talk} popup onOpen={() => (open.value = "poll")} />
        </div>
      )}
      {children}
      <button type="button" class="dock-say" aria-haspopup="dialog" onClick={() => (open.value = "chat")} onPointerDown={TalkSheet.preload}>
        <ChatIcon />
        <span>{closed ? "Read the chat" : "Say something"}</span>
      </button>
      {!closed && <HeartButton log={model.chat} />}
    </div>
  );
}
