import { ChatPanel } from "../../shared/chat/ChatPanel";
import { HeartButton } from "../../shared/chat/Hearts";
import { Sheet } from "../../shared/ui/sheet";
import type { WatchModel } from "./model";
import { chatClosed } from "./Talk";

/** The whole chat over a phone's page; the video goes on above it. */
export default function ChatSheet({ model, onClose }: { model: WatchModel; onClose: () => void }) {
  const closed = chatClosed(model);
  return (
    <Sheet title="Chat" onClose={onClose} tall>
      <ChatPanel log={model.chat} closed={closed} away={model.stale.value} typing beside={<HeartButton log={model.chat} />} />
    </Sheet>
  );
}
