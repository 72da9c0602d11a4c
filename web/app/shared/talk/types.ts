// The shapes of a show's talk, as the server describes them (api.gen.ts).

import type { Schemas } from "../api.gen";

export type Announcement = Schemas["RoomEvents"]["announcement.set"];
export type Poll = Schemas["RoomEvents"]["poll.set"];
export type PollVotes = Schemas["RoomEvents"]["poll.votes"];
export type LastAnswer = NonNullable<Schemas["RoomEvents"]["questions.set"]["last_answer"]>;
export type Moderator = Schemas["Moderator"];
export type Timeout = Schemas["Timeout"];
export type Ban = Schemas["Banned"];
/** The lists are empty for all but those in charge. */
export type TalkDocument = Schemas["Talk"];
export type Question = Schemas["Question"];
export type QuestionPage = Schemas["Questions"];
export type AuditEntry = Schemas["Audited"];
export type AuditPage = Schemas["Audit"];
