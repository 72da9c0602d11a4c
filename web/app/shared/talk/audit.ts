import type { AuditEntry } from "./types";
import { spanWords } from "./words";

/** What each action is called; {who} did it to {whom}. */
const KNOWN: Readonly<Record<AuditEntry["action"], string>> = {
  line_removed: "{who} deleted a line of {whom}",
  timed_out: "{who} timed {whom} out",
  timeout_lifted: "{who} let {whom} write again",
  banned: "{who} banned {whom}",
  ban_lifted: "{who} let {whom} in again",
  slow_mode_set: "{who} set slow mode",
  announcement_set: "{who} announced",
  announcement_removed: "{who} took the announcement off",
  moderator_added: "{who} made {whom} a moderator",
  moderator_removed: "{who} ended {whom}’s moderating",
  question_answered: "{who} answered a question",
  questions_merged: "{who} merged questions",
  question_removed: "{who} deleted a question",
  pinned: "{who} pinned a product by a command",
  unpinned: "{who} unpinned by a command",
  poll_opened: "{who} opened a poll",
  poll_closed: "{who} closed a poll",
};

/** A server that is newer than the page may know more. */
const SENTENCES: Readonly<Record<string, string>> = KNOWN;

/** What is said below the sentence; lengths of time in words. */
export function auditDetail({ action, detail }: { action: string } & Pick<AuditEntry, "detail">): string {
  const [, seconds, reason = ""] = (action === "timed_out" || action === "slow_mode_set" ? /^(\d+) s(?: (.*))?$/su.exec(detail) : null) ?? [];
  if (seconds === undefined) return detail;
  if (seconds === "0") return "Off";
  return `${action === "timed_out" ? "For" : "One line every"} ${spanWords(Number(seconds))}${reason && `: ${reason}`}`;
}

/** One sentence for an entry; an action that this page does not know keeps its own name. */
export function auditWords({ action, by, name }: { action: string } & Pick<AuditEntry, "by" | "name">): string {
  const sentence = SENTENCES[action] ?? `{who}: ${action.replaceAll("_", " ")}${name ? " ({whom})" : ""}`;
  // Names may hold anything, a "$&" too.
  return sentence.replace("{who}", () => by.name || "Somebody").replace("{whom}", () => name || "somebody");
}
