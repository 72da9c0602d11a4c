// What protects a show from its own page: a tab closed by mistake, a screen that sleeps, a second tab of the same show.

/** While on: the browser asks before the page is left, and the screen stays awake. Returns the way off. */
export function guardLive(onPageHide: () => void): () => void {
  let lock: WakeLockSentinel | null = null;
  let off = false;
  const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
  const awake = async (): Promise<void> => {
    if (off || document.visibilityState !== "visible" || !navigator.wakeLock) return;
    try {
      const got = await navigator.wakeLock.request("screen");
      if (off) await got.release();
      else lock = got;
    } catch {
      // Refused on low battery: a convenience, not a need.
    }
  };
  // Browsers drop the lock whenever the tab is hidden.
  const visible = (): void => void awake();
  window.addEventListener("beforeunload", ask);
  window.addEventListener("pagehide", onPageHide);
  document.addEventListener("visibilitychange", visible);
  void awake();
  return () => {
    off = true;
    window.removeEventListener("beforeunload", ask);
    window.removeEventListener("pagehide", onPageHide);
    document.removeEventListener("visibilitychange", visible);
    void lock?.release();
  };
}

type Word = { say: "live" | "anyone" | "here"; show: string; tab: string };

/** Tabs of one browser telling each other who is live. Other devices are found through the server (publisher.ts). */
export class Tabs {
  private readonly channel = new BroadcastChannel("rialto.studio");
  private readonly tab = crypto.randomUUID();
  private heard: (() => void) | null = null;

  constructor(
    private readonly show: string,
    isLive: () => boolean,
    onTaken: () => void,
  ) {
    this.channel.onmessage = ({ data }: MessageEvent<Word>) => {
      if (data.show !== this.show || data.tab === this.tab) return;
      if (data.say === "live" && isLive()) onTaken();
      if (data.say === "anyone" && isLive()) this.post("here");
      if (data.say === "here") this.heard?.();
    };
  }

  announce(): void {
    this.post("live");
  }

  /** Whether another tab here is live in this show; a tab that does not answer at once is not. */
  anyone(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), 250);
      this.heard = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.post("anyone");
    });
  }

  close(): void {
    this.channel.close();
  }

  private post(say: Word["say"]): void {
    this.channel.postMessage({ say, show: this.show, tab: this.tab } satisfies Word);
  }
}

const MARK = "rialto.live";

/** Survives a reload and a restored crash of this tab, and nothing else: then the show goes on by itself. */
export function markLive(show: string | null): void {
  try {
    if (show) sessionStorage.setItem(MARK, show);
    else sessionStorage.removeItem(MARK);
  } catch {
    // No storage: the creator presses "Go live" once more after a reload.
  }
}

export function wasLive(show: string): boolean {
  try {
    return sessionStorage.getItem(MARK) === show;
  } catch {
    return false;
  }
}
