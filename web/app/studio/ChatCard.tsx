// The conversation of the show, as its host sees it and takes part in it.

import type { JSX } from "preact";
import { ChatPanel, type ChatLog } from "../shared/chat";
import type { Room } from "../shared/realtime";

export function ChatCard({ log, room, ended }: { log: ChatLog; room: Room; ended: boolean }): JSX.Element {
  return (
    <section class="st-card st-chat" aria-labelledby="chat-title">
      <h2 id="chat-title">Chat</h2>
      <ChatPanel log={log} away={room.phase.value === "waiting"} closed={ended ? "The show is over, and so is the chat." : null} />
    </section>
  );
}
