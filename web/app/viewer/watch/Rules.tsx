import { ModerationPanel } from "../../shared/talk/ModerationPanel";
import type { Moderation } from "../../shared/talk/moderation";
import { PollDesk } from "../../shared/talk/PollDesk";

/** What a moderator may do beside the lines. */
export default function Rules({ mod, part }: { mod: Moderation; part: "poll" | "rules" }) {
  if (part === "poll") return <PollDesk mod={mod} closed={false} />;
  return (
    <div class="talk-rules">
      <p class="talk-may">
        You moderate this show: at the end of each line you can delete it, or let its author not write or not come. Commands begin with / in the chat.
      </p>
      <ModerationPanel mod={mod} host={false} />
    </div>
  );
}
