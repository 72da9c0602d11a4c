import type { ChatLine, RoomRole } from "../events";
import "./who.css";

const BADGES: Record<RoomRole, string | null> = { host: "Host", moderator: "Moderator", buyer: "Buyer", viewer: null };

/** Name and badge, as they stand before a line. */
export function Who({ line, mine }: { line: ChatLine; mine: boolean }) {
  const badge = BADGES[line.role];
  return (
    <>
      <strong class="chat-name">{mine ? "You" : line.name}</strong>{" "}
      {badge && <span class={`chat-badge chat-badge-${line.role}`}>{badge}</span>}{" "}
    </>
  );
}
