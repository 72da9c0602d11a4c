// The conversation on the watch page: over the picture and in a sheet on phones, in the shop's column at a desk.

import type { Signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { HeartButton } from "../../shared/chat/Hearts";
import { ChatIcon, PersonIcon } from "../../shared/ui/icons";
import { Who } from "../../shared/chat/Who";
import { lazyPart } from "../lazy";
import type { WatchModel } from "./model";
import "./talk.css";

const LINES = 5;

export const ChatSheet = lazyPart(() => import("./ChatSheet"));
export const ChatColumn = lazyPart(() => import("./ChatColumn"));

/** Why nobody can talk, in words; null when one can. */
export function chatClosed(model: WatchModel): string | null {
  return model.scene.value === "ended" ? "The show has ended, and its chat with it." : null;
}

/** The newest lines, fading upward over the picture. One tap opens all of them. */
export function ChatFade({ model, open }: { model: WatchModel; open: Signal<boolean> }) {
  const { chat } = model;
  const mine = chat.pending.value.slice(-1);
  const lines = chat.lines.value.slice(mine.length - LINES);
  if (lines.length + mine.length === 0) return null;
  return (
    <button type="button" class="fade" aria-haspopup="dialog" onClick={() => (open.value = true)}>
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

/** Under the thumb: what is sold, saying something, a heart. */
export function Dock({ model, open, children }: { model: WatchModel; open: Signal<boolean>; children?: ComponentChildren }) {
  const closed = chatClosed(model);
  return (
    <div class="dock">
      {children}
      <button type="button" class="dock-say" aria-haspopup="dialog" onClick={() => (open.value = true)} onPointerDown={ChatSheet.preload}>
        <ChatIcon />
        <span>{closed ? "Read the chat" : "Say something"}</span>
      </button>
      {!closed && <HeartButton log={model.chat} />}
    </div>
  );
}

/** How many are here, as the server counted them. */
export function Viewers({ model }: { model: WatchModel }) {
  const [format] = useState(() => new Intl.NumberFormat());
  const count = model.viewers.value;
  if (!count) return null;
  return (
    <span class="viewers num">
      <PersonIcon />
      {format.format(count)}
      <span class="sr-only"> watching</span>
    </span>
  );
}
