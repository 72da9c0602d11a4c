import type { ComponentChildren } from "preact";
import { Sheet } from "../../shared/ui/sheet";

/** What is sold, over the page. Sheets come with the first of them: none is open when a page begins. */
export default function BagSheet({ onClose, children }: { onClose: () => void; children: ComponentChildren }) {
  return (
    <Sheet title="In this show" onClose={onClose}>
      {children}
    </Sheet>
  );
}
