import type { Signal } from "@preact/signals";
import type { WatchModel } from "./model";
import type { TalkTab } from "./Talk";
import { TalkPanel } from "./TalkPanel";
import "./talk.css";

/** The talk below the goods, at a desk. */
export default function TalkColumn({ model, at }: { model: WatchModel; at: Signal<TalkTab | null> }) {
  return (
    <section class="talk" aria-label="Talk">
      <TalkPanel model={model} at={at} />
    </section>
  );
}
