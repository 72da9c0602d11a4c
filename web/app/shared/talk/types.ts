// What is told and asked beside the chat's lines: the shapes of a show's talk.

export interface Announcement {
  text: string | null;
  /** Whoever put it up. */
  name: string;
  at: string;
}

export interface Poll {
  id: string;
  question: string;
  choices: string[];
  state: "open" | "closed";
  ends_at: string;
  by: string;
}

/** The newest values of a show's talk, as rooms tell them. */
export interface TalkEvents {
  "talk.set": { slow_seconds: number };
  "announcement.set": Announcement;
  "lines.gone": { lines: string[]; authors: string[] };
  "poll.set": Poll;
  "poll.votes": { id: string; counts: number[]; voters: number };
  "questions.set": { open: number; answered: number; last_answer: { id: string; text: string; answer: string | null } | null };
}

export interface Moderator {
  subject: string;
  name: string;
  email: string;
}

export interface Timeout {
  subject: string;
  name: string;
  until: string;
  reason: string;
}

export interface Ban {
  subject: string;
  name: string;
  reason: string;
  all_shows: boolean;
  created_at: string;
}

/** The lists are empty for all but those who moderate. */
export interface TalkDocument {
  slow_seconds: number;
  announcement: (Announcement & { text: string }) | null;
  /** The newest; `choice` is one's own. */
  poll: (Poll & { counts: number[]; voters: number; choice: number | null }) | null;
  moderators: Moderator[];
  timeouts: Timeout[];
  bans: Ban[];
  /** Whoever asks is in charge: creator, moderator or operator. */
  leads: boolean;
}

export interface Question {
  id: string;
  text: string;
  asked_by_name: string;
  /** How many asked it in these or other words. */
  askers: number;
  votes: number;
  /** Asked by this person, among others perhaps. */
  mine: boolean;
  voted: boolean;
  state: "open" | "answered";
  answer: string | null;
  asked_at: string;
  answered_at: string | null;
}

export interface QuestionPage {
  items: Question[];
  next: string | null;
}

export interface AuditEntry {
  id: string;
  at: string;
  by: { subject: string; name: string };
  action: string;
  subject: string;
  name: string;
  detail: string;
}

export interface AuditPage {
  items: AuditEntry[];
  next: string | null;
}
