import { useCallback, useEffect, useState } from "preact/hooks";
import { listShows, type Show } from "../../shared/api";

/** The lists are read again this often while the page is looked at; the show itself is live by events. */
const REFRESH_MS = 20_000;

interface Lists {
  live: Show[] | null;
  upcoming: Show[] | null;
  failed: unknown;
  /** What is shown may be old: the last reading failed. */
  stale: boolean;
}

export function useShows(): Lists & { retry: () => void } {
  const [lists, setLists] = useState<Lists>({ live: null, upcoming: null, failed: null, stale: false });
  const [round, setRound] = useState(0);
  const retry = useCallback(() => {
    setLists((old) => ({ ...old, failed: null }));
    setRound((n) => n + 1);
  }, []);

  useEffect(() => {
    const leave = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const [live, upcoming] = await Promise.all([
          listShows("live", null, { signal: leave.signal }),
          listShows("upcoming", null, { signal: leave.signal }),
        ]);
        setLists({ live: live.shows, upcoming: upcoming.shows, failed: null, stale: false });
      } catch (failed) {
        if (!leave.signal.aborted) setLists((old) => ({ ...old, failed, stale: true }));
      }
    };
    void read();
    const timer = setInterval(() => document.visibilityState === "visible" && void read(), REFRESH_MS);
    const now = (): void => void (document.visibilityState === "visible" && read());
    document.addEventListener("visibilitychange", now);
    addEventListener("online", now);
    return () => {
      leave.abort();
      clearInterval(timer);
      document.removeEventListener("visibilitychange", now);
      removeEventListener("online", now);
    };
  }, [round]);

  return { ...lists, retry };
}
