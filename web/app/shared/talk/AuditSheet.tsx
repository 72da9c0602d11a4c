// Who did what to a show's talk, the newest first.

import { useEffect, useRef, useState } from "preact/hooks";
import { serverNow } from "../clock";
import { Button } from "../ui/controls";
import { Sheet } from "../ui/sheet";
import { Skeleton } from "../ui/states";
import { dayAndTime } from "../when";
import { getAudit } from "./api";
import { auditDetail, auditWords } from "./audit";
import type { AuditEntry } from "./types";
import { wordsFor } from "./words";

export function AuditSheet({ show, onClose }: { show: string; onClose: () => void }) {
  const [items, setItems] = useState<readonly AuditEntry[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [state, setState] = useState<"loading" | "ready" | "failed">("loading");
  const [failure, setFailure] = useState<unknown>(null);
  const read = async (cursor: string | null): Promise<void> => {
    setState("loading");
    try {
      const page = await getAudit(show, cursor);
      setItems((known) => (cursor ? [...known, ...page.items] : page.items));
      setNext(page.next);
      setFailure(null);
      setState("ready");
    } catch (error) {
      setFailure(error);
      setState("failed");
    }
  };
  useEffect(() => void read(null), [show]);
  // The last page takes the button that asked for it: the list keeps the focus.
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    if (state === "ready" && document.activeElement === document.body) list.current?.focus({ preventScroll: true });
  }, [state]);
  const asks = state === "failed" || next !== null || (state === "loading" && failure !== null);
  return (
    <Sheet place="center" title="Who did what" onClose={onClose}>
      {state === "ready" && items.length === 0 && <p class="mod-hint">Nothing was moderated in this show yet.</p>}
      <ol class="audit" ref={list} tabIndex={-1}>
        {items.map((entry) => (
          <li key={entry.id}>
            <p>{auditWords(entry)}</p>
            {entry.detail && <p class="audit-detail">{auditDetail(entry)}</p>}
            <time class="num" dateTime={entry.at}>
              {dayAndTime(entry.at, serverNow())}
            </time>
          </li>
        ))}
      </ol>
      {state === "loading" && !asks && (
        <p aria-busy="true">
          <span class="sr-only">Loading what was done</span>
          <Skeleton class="ask-skeleton" />
        </p>
      )}
      {state === "failed" && (
        <p class="mod-trouble" role="alert">
          {wordsFor(failure)}
        </p>
      )}
      {asks && (
        <Button busy={state === "loading"} onClick={() => void read(items.length > 0 ? next : null)}>
          {failure !== null ? "Try again" : "Show earlier"}
        </Button>
      )}
    </Sheet>
  );
}
