import { ChatPanel } from "../../shared/chat/ChatPanel";
import { HeartButton } from "../../shared/chat/Hearts";
import type { WatchModel } from "./model";
import { chatClosed } from "./Talk";

/** The chat below the goods, at a desk. */
export default function ChatColumn({ model }: { model: WatchModel }) {
  return (
    <section class="talk" aria-labelledby="talk-title">
      <h2 id="talk-title">Chat</h2>
      <ChatPanel log={model.chat} closed={chatClosed(model)} away={model.stale.value} beside={<HeartButton log={model.chat} />} />
    </section>
  );
}
