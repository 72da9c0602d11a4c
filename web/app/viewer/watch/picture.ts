// Which moment is on the screen. The relay makes a viewer's timestamps of the picture the server's clock: Unix time at 90 kHz,
// modulo 2^32. Browsers tell them with each frame.

import { clockUncertainty, serverNow } from "../../shared/clock";

const TICKS_PER_MS = 90;
/** 13 hours: longer than anybody's clock is wrong, once the server has spoken. */
const LAP_MS = 2 ** 32 / TICKS_PER_MS;
/** A picture further from now than this is not of the server's clock: a relay of another make, or a clock that was set. */
const FAR_MS = 10_000;
/** How old the picture of a live show usually is on the screen, for browsers that tell no timestamps. */
export const USUAL_DELAY_MS = 250;

/** When a picture with this timestamp was taken; null when that cannot be. `now` is the server's time. */
export function takenAt(timestamp: number, now: number): number | null {
  const behind = (((now - timestamp / TICKS_PER_MS) % LAP_MS) + LAP_MS) % LAP_MS;
  const age = behind > LAP_MS / 2 ? behind - LAP_MS : behind;
  return Math.abs(age) > FAR_MS ? null : now - age;
}

/**
 * Tells of each frame as it comes on the screen when it was taken, by the server's clock, and null when no more come or nobody
 * sees them. `latest` is the timestamp of the last frame, for browsers that do not tell it with the frame. Returns the way off.
 */
export function followPicture(video: HTMLVideoElement, latest: () => number | null, tell: (moment: number | null) => void): () => void {
  if (!("requestVideoFrameCallback" in video)) return () => undefined;
  let handle = 0;
  const shown = (_: number, { rtpTimestamp }: VideoFrameCallbackMetadata): void => {
    handle = video.requestVideoFrameCallback(shown);
    tell(document.visibilityState === "hidden" || clockUncertainty() === Infinity ? null : momentOf(rtpTimestamp ?? latest()));
  };
  const unseen = (): void => tell(null);
  const turned = (): void => void (document.visibilityState === "hidden" && unseen());
  handle = video.requestVideoFrameCallback(shown);
  for (const event of STOPS) video.addEventListener(event, unseen);
  document.addEventListener("visibilitychange", turned);
  return () => {
    video.cancelVideoFrameCallback(handle);
    for (const event of STOPS) video.removeEventListener(event, unseen);
    document.removeEventListener("visibilitychange", turned);
    unseen();
  };
}

const STOPS = ["pause", "emptied", "ended"] as const;

function momentOf(timestamp: number | null): number | null {
  return timestamp === null ? serverNow() - USUAL_DELAY_MS : takenAt(timestamp, serverNow());
}
