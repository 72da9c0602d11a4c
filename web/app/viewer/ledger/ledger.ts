// A stock ledger as the page knows it: its newest rows, read again now and then, and the older ones that were asked for.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { api, type CallOptions, type Ledger, type LedgerPage, type LedgerRow, type Ledgers } from "../../shared/api";

// Here and not with the other questions: who watches a show asks none of these, and would load them.
const path = (show: string, variant = ""): string => `/shows/${encodeURIComponent(show)}/ledgers${variant && `/${encodeURIComponent(variant)}`}`;
const getLedgers = (show: string, o?: CallOptions) => api<Ledgers>("GET", path(show), undefined, o);
/** Newest rows first. */
const getLedger = (show: string, variant: string, cursor?: string | null, o?: CallOptions) =>
  api<LedgerPage>("GET", `${path(show, variant)}${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`, undefined, o);
export const ledgerFile = (show: string, variant: string): string => `/api/v1${path(show, variant)}/file`;

/** A ledger is looked at again this often, as long as somebody looks at it. */
const REFRESH_MS = 10_000;

/** Which ledgers a show has; asked again when that failed and somebody wants it. */
export function useLedgers(show: string): { ledgers: Ledger[] | null; failed: unknown; again: () => void } {
  const [ledgers, setLedgers] = useState<Ledger[] | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const again = useCallback(() => {
    setFailed(null);
    setRound((n) => n + 1);
  }, []);
  useEffect(() => {
    const leave = new AbortController();
    getLedgers(show, { signal: leave.signal }).then(
      (found) => setLedgers(found.ledgers),
      (error: unknown) => !leave.signal.aborted && setFailed(error),
    );
    return () => leave.abort();
  }, [show, round]);
  useEffect(() => {
    if (!failed) return;
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [failed]);
  return { ledgers, failed, again };
}

/** The newest page and what is known behind it. Rows are numbered without gaps, so whether the two meet can be seen. */
export function joined(old: LedgerPage | null, fresh: LedgerPage): LedgerPage {
  const oldest = fresh.rows.at(-1)?.n;
  const rest = old && oldest !== undefined ? old.rows.filter(({ n }) => n < oldest) : [];
  if (!old || rest[0]?.n !== (oldest ?? 0) - 1) return fresh;
  return { ...fresh, rows: [...fresh.rows, ...rest], next: old.next };
}

type Older = "none" | "more" | "busy" | "failed";

export interface Known {
  ledger: Ledger;
  rows: LedgerRow[];
}

export function useLedger(show: string, variant: string): { known: Known | null; failed: unknown; again: () => void; older: Older; readOlder: () => void } {
  const [page, setPage] = useState<LedgerPage | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  const [reading, setReading] = useState<"busy" | "failed" | null>(null);
  const left = useRef(new AbortController());
  const again = useCallback(() => setRound((n) => n + 1), []);

  useEffect(() => {
    const leave = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => (document.visibilityState === "visible" ? again() : void (timer = setTimeout(look, REFRESH_MS)));
    getLedger(show, variant, null, { signal: leave.signal })
      .then(
        (fresh) => {
          setPage((old) => joined(old, fresh));
          setFailed(null);
        },
        (error: unknown) => !leave.signal.aborted && setFailed(error),
      )
      .finally(() => {
        if (!leave.signal.aborted) timer = setTimeout(look, REFRESH_MS);
      });
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [show, variant, round]);

  useEffect(() => {
    const look = (): void => {
      if (document.visibilityState === "visible") again();
    };
    addEventListener("online", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      removeEventListener("online", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  useEffect(() => () => left.current.abort(), []);

  const readOlder = (): void => {
    if (!page?.next || reading === "busy") return;
    setReading("busy");
    getLedger(show, variant, page.next, { signal: left.current.signal }).then(
      (more) => {
        // The newest page may have been read meanwhile; what it led to may not be what this one follows.
        setPage((now) => (now && now.rows.at(-1)?.n === (more.rows[0]?.n ?? 0) + 1 ? { ...now, rows: [...now.rows, ...more.rows], next: more.next } : now));
        setReading(null);
      },
      () => !left.current.signal.aborted && setReading("failed"),
    );
  };
  return { known: page, failed, again, older: !page?.next ? "none" : (reading ?? "more"), readOlder };
}
