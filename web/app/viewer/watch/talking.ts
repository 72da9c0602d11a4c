// The talk of the show on this page, made when its first part is drawn, and whether one can take part.

import { effect } from "@preact/signals";
import { me } from "../../shared/session";
import { Moderation } from "../../shared/talk/moderation";
import { Talk } from "../../shared/talk/talk";
import type { WatchModel } from "./model";

const talks = new WeakMap<WatchModel, Talk>();
const moderations = new WeakMap<Talk, Moderation>();

export function talkOf(model: WatchModel): Talk {
  let talk = talks.get(model);
  if (!talk) {
    talk = new Talk(model.id, model.room, () => model.show.value?.creator.id ?? null, () => me.value);
    talks.set(model, talk);
    const made = talk;
    const off = effect(() => void (model.chat.orders.value = made.moderates.value));
    model.whenStopped(() => (off(), made.close(), talks.delete(model)));
  }
  return talk;
}

export function moderationOf(talk: Talk): Moderation {
  let mod = moderations.get(talk);
  if (!mod) moderations.set(talk, (mod = new Moderation(talk)));
  return mod;
}

/** Why nobody can talk, in words; null when one can. */
export function chatClosed(model: WatchModel): string | null {
  return model.scene.value === "ended" ? "The show has ended, and its chat with it." : null;
}
