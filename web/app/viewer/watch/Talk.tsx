// The conversation on the watch page: over the picture and in a sheet on phones, in the shop's column at a desk. Its parts
// are loaded once the page stands.

import { useState } from "preact/hooks";
import { PersonIcon } from "../../shared/ui/icons";
import { lazyPart } from "../lazy";
import type { WatchModel } from "./model";

export type TalkTab = "chat" | "questions" | "poll" | "rules";

export const TalkSheet = lazyPart(() => import("./TalkSheet"));
export const TalkColumn = lazyPart(() => import("./TalkColumn"));
export const Dock = lazyPart(() => import("./Dock"));
export const ChatFade = lazyPart(async () => ({ default: (await import("./Dock")).ChatFade }));

/** How many are here, as the server counted them. */
export function Viewers({ model }: { model: WatchModel }) {
  const [format] = useState(() => new Intl.NumberFormat());
  const count = model.viewers.value;
  if (!count) return null;
  return (
    <span class="viewers num">
      <PersonIcon />
      {format.format(count)}
      <span class="sr-only"> watching</span>
    </span>
  );
}
