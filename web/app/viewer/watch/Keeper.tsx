import type { ChatLine } from "../../shared/events";
import { LineButton, LineSheet, ModNote } from "../../shared/talk/LineActions";
import type { Moderation } from "../../shared/talk/moderation";

/** For who moderates: at the end of each line its actions; without a line what they open, and what was done last. */
export default function Keeper({ mod, line, inOrder = false }: { mod: Moderation; line?: ChatLine; inOrder?: boolean }) {
  if (line) return <LineButton mod={mod} line={line} inOrder={inOrder} />;
  return (
    <>
      <ModNote mod={mod} />
      <LineSheet mod={mod} />
    </>
  );
}
