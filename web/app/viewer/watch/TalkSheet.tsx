import type { Signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { Sheet } from "../../shared/ui/sheet";
import type { WatchModel } from "./model";
import type { TalkTab } from "./Talk";
import { TalkPanel } from "./TalkPanel";
import "./talk.css";

const TITLES: Record<TalkTab, string> = { chat: "Chat", questions: "Questions", poll: "Poll", rules: "Rules" };

/** The whole talk over a phone's page; the video goes on above it. */
export default function TalkSheet({ model, at }: { model: WatchModel; at: Signal<TalkTab | null> }) {
  // Who comes back to the chat from another tab stays on its tab.
  const [typing, type] = useState(at.peek() === "chat");
  useEffect(() => type(false), []);
  return (
    <Sheet title={TITLES[at.value ?? "chat"]} onClose={() => (at.value = null)} tall>
      <div class="talk talk-sheet">
        <TalkPanel model={model} at={at} typing={typing} />
      </div>
    </Sheet>
  );
}
