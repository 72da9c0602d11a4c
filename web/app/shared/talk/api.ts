// The HTTP API of a show's talk. All of it may be sent again: what is there already is left as it is.

import { api } from "../api";
import type { CallOptions } from "../http";
import type { AuditPage, Question, QuestionPage, TalkDocument } from "./types";

const enc = encodeURIComponent;
const of = (show: string): string => `/shows/${enc(show)}`;

export const getTalk = (show: string, o?: CallOptions) => api<TalkDocument>("GET", `${of(show)}/talk`, undefined, o);
/** 0 to 600; 0: off. */
export const putSlow = (show: string, seconds: number, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/talk`, { slow_seconds: seconds }, o);
export const putAnnouncement = (show: string, text: string, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/announcement`, { text }, o);
export const dropAnnouncement = (show: string, o?: CallOptions) => api<void>("DELETE", `${of(show)}/announcement`, undefined, o);
export const putModerator = (show: string, email: string, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/moderators/${enc(email)}`, undefined, o);
export const dropModerator = (show: string, email: string, o?: CallOptions) => api<void>("DELETE", `${of(show)}/moderators/${enc(email)}`, undefined, o);

/** With what the moderator saw: it is kept with who did it. */
export const dropLine = (show: string, line: string, saw: { subject: string; name: string; text: string }, o?: CallOptions) =>
  api<void>("DELETE", `${of(show)}/lines/${enc(line)}`, saw, o);
/** 10 to 86,400 seconds from now. */
export const putTimeout = (show: string, subject: string, body: { seconds: number; reason: string; name: string }, o?: CallOptions) =>
  api<unknown>("PUT", `${of(show)}/timeouts/${enc(subject)}`, body, o);
export const dropTimeout = (show: string, subject: string, o?: CallOptions) => api<void>("DELETE", `${of(show)}/timeouts/${enc(subject)}`, undefined, o);
export const putBan = (show: string, subject: string, body: { reason: string; name: string }, o?: CallOptions) =>
  api<unknown>("PUT", `${of(show)}/bans/${enc(subject)}`, body, o);
export const dropBan = (show: string, subject: string, o?: CallOptions) => api<void>("DELETE", `${of(show)}/bans/${enc(subject)}`, undefined, o);
export const getAudit = (show: string, cursor: string | null, o?: CallOptions) =>
  api<AuditPage>("GET", `${of(show)}/audit${cursor ? `?cursor=${enc(cursor)}` : ""}`, undefined, o);

export const getQuestions = (show: string, cursor: string | null, o?: CallOptions) =>
  api<QuestionPage>("GET", `${of(show)}/questions${cursor ? `?cursor=${enc(cursor)}` : ""}`, undefined, o);
/** Answers with the id of the question that is there: another one's, where somebody asked the same before. */
export const putQuestion = (show: string, id: string, text: string, o?: CallOptions) => api<Question>("PUT", `${of(show)}/questions/${enc(id)}`, { text }, o);
export const dropQuestion = (show: string, id: string, o?: CallOptions) => api<void>("DELETE", `${of(show)}/questions/${enc(id)}`, undefined, o);
export const setQuestionVote = (show: string, id: string, on: boolean, o?: CallOptions) =>
  api<unknown>(on ? "PUT" : "DELETE", `${of(show)}/questions/${enc(id)}/vote`, undefined, o);
/** In words, or said in the show: then without. */
export const putAnswer = (show: string, id: string, text: string, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/questions/${enc(id)}/answer`, text ? { text } : {}, o);
export const mergeQuestion = (show: string, id: string, into: string, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/questions/${enc(id)}/merge`, { into }, o);

export const putPoll = (show: string, id: string, body: { question: string; choices: string[]; seconds: number }, o?: CallOptions) =>
  api<NonNullable<TalkDocument["poll"]>>("PUT", `${of(show)}/polls/${enc(id)}`, body, o);
export const putPollVote = (show: string, id: string, choice: number, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/polls/${enc(id)}/vote`, { choice }, o);
export const closePoll = (show: string, id: string, o?: CallOptions) => api<unknown>("PUT", `${of(show)}/polls/${enc(id)}/close`, undefined, o);
