// A sheet over the page: from the bottom on a phone, in the right column on a desk. The browser's own modal dialog
// keeps focus inside, closes on Escape and gives focus back; the video behind it goes on.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import { IconButton } from "./controls";
import { CloseIcon } from "./icons";
import "./sheet.css";

type SheetProps = {
  title: string;
  onClose: () => void;
  /** Stays at the bottom while the rest scrolls. */
  footer?: ComponentChildren;
  /** "side" belongs beside a video; "center" is for questions to be answered first. */
  place?: "side" | "center";
  /** As high as it may be, whatever it holds; what it holds scrolls by itself. */
  tall?: boolean;
  children?: ComponentChildren;
};

export function Sheet({ title, onClose, footer, place = "side", tall = false, children }: SheetProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const close = useRef(onClose);
  close.current = onClose;

  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const opener = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      // The opener may be gone (its card was unpinned meanwhile); the page then decides.
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    };
  }, []);

  // Another title is another step. When what had the focus is gone with the last one, focus goes to the title, which a
  // screen reader then reads; a tab that was picked keeps it. Not at first: then it belongs to the first thing one can use.
  const drawn = useRef(title);
  useEffect(() => {
    if (drawn.current === title) return;
    drawn.current = title;
    const held = document.activeElement;
    if (held === null || held === document.body || !dialog.current?.contains(held)) dialog.current?.querySelector("h2")?.focus({ preventScroll: true });
  }, [title]);

  return (
    <dialog
      ref={dialog}
      class={`sheet sheet-${place}${tall ? " sheet-tall" : ""}`}
      aria-labelledby={heading}
      // Escape, and Android's back gesture. The parent decides whether the sheet goes, so the browser must not.
      onCancel={(event) => {
        event.preventDefault();
        close.current();
      }}
      onClick={(event) => {
        if (event.target === dialog.current) close.current();
      }}
    >
      <div class="sheet-body">
        {/* No header: a sheet over a sheet would make two of the page's. */}
        <div class="sheet-head">
          <h2 id={heading} tabIndex={-1}>
            {title}
          </h2>
          <IconButton label="Close" onClick={() => close.current()}>
            <CloseIcon />
          </IconButton>
        </div>
        <div class="sheet-content">{children}</div>
        {footer && <div class="sheet-foot">{footer}</div>}
      </div>
    </dialog>
  );
}
