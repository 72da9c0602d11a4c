// From the browser's counters to words a creator can act on. Pure, so that every judgement has a test.

export type Line = "measuring" | "good" | "fair" | "weak" | "silent";

/** Cumulative counters of one moment, as read from getStats. */
export interface Counters {
  atMs: number;
  bytes: number;
  /** Bytes that came back (reports, path checks): a server that is there is never quiet for long. */
  received: number;
  framesSent: number;
  width: number;
  height: number;
  /** qualityLimitationReason of the browser. */
  limitedBy: "none" | "cpu" | "bandwidth" | "other";
  rttMs: number | null;
  /** Share of packets the server missed in its last report, 0..1. */
  loss: number | null;
}

export interface LineReport {
  line: Line;
  kbps: number;
  fps: number;
  width: number;
  height: number;
  rttMs: number | null;
  lossPercent: number | null;
  /** What the creator may do; "" when nothing needs doing. */
  advice: string;
}

export const MEASURING: LineReport = { line: "measuring", kbps: 0, fps: 0, width: 0, height: 0, rttMs: null, lossPercent: null, advice: "" };

/** A word changes only when this many readings in a row agree: a label that flickers is worse than one that is 2 s late. */
const AGREE = 2;
/** The bandwidth estimate climbs from a low start; before this it says nothing about the line. */
export const WARM_UP_MS = 6_000;

export const LINE_WORDS: Record<Line, string> = {
  measuring: "measuring the line",
  good: "good line",
  fair: "fair line",
  weak: "weak line",
  silent: "no picture is leaving",
};

export class LineJudge {
  private last: Counters | null = null;
  private shown: LineReport = MEASURING;
  private candidate: Line = "measuring";
  private agreed = 0;
  private startedAt: number | null = null;

  /** targetBps: the bitrate asked of the encoder; still: the picture rarely changes (screen, slate), so few bits are no fault. */
  next(now: Counters, targetBps: number, still: boolean): LineReport {
    const before = this.last;
    this.last = now;
    this.startedAt ??= now.atMs;
    const warm = now.atMs - this.startedAt >= WARM_UP_MS;
    if (!before || now.atMs <= before.atMs || now.bytes < before.bytes) return this.shown;
    const seconds = (now.atMs - before.atMs) / 1000;
    const kbps = Math.round(((now.bytes - before.bytes) * 8) / seconds / 1000);
    const fps = Math.round((now.framesSent - before.framesSent) / seconds);
    const line = classify(now, kbps, fps, targetBps, still || !warm);
    this.agreed = line === this.candidate ? this.agreed + 1 : 1;
    this.candidate = line;
    const settled = this.agreed >= AGREE || this.shown.line === "measuring" ? line : this.shown.line;
    this.shown = {
      line: settled,
      kbps,
      fps,
      width: now.width,
      height: now.height,
      rttMs: now.rttMs === null ? null : Math.round(now.rttMs),
      lossPercent: now.loss === null ? null : Math.round(now.loss * 1000) / 10,
      advice: advise(settled, now),
    };
    return this.shown;
  }
}

function classify(now: Counters, kbps: number, fps: number, targetBps: number, fewBitsAreFine: boolean): Line {
  if (kbps < 1 && fps === 0) return "silent";
  const loss = now.loss ?? 0;
  const rtt = now.rttMs ?? 0;
  const share = (kbps * 1000) / targetBps;
  const starved = now.limitedBy === "bandwidth" && !fewBitsAreFine;
  if (loss > 0.08 || rtt > 800 || (starved && share < 0.3)) return "weak";
  if (loss > 0.02 || rtt > 300 || (starved && share < 0.7)) return "fair";
  return "good";
}

function advise(line: Line, now: Counters): string {
  if (line === "silent") return "Nothing is arriving at the server. We keep trying; check that this device is online.";
  if (line === "weak") return "Viewers see a softer picture. Move closer to the router, or use a cable or mobile data.";
  if (now.limitedBy === "cpu") return "This device is busy: close other programs or tabs to keep the picture sharp.";
  if (line === "fair") return "Some packets need a second try. The picture holds.";
  return "";
}

/** Reads the counters of one sending connection; null while the browser has none. */
export async function readCounters(pc: RTCPeerConnection): Promise<Counters | null> {
  const report = await pc.getStats();
  let out: Counters | null = null;
  let rttMs: number | null = null;
  let loss: number | null = null;
  let received = 0;
  report.forEach((entry: Record<string, unknown>) => {
    if (entry.type === "outbound-rtp" && entry.kind === "video") {
      const reason = entry.qualityLimitationReason;
      out = {
        atMs: number(entry.timestamp),
        bytes: number(entry.bytesSent),
        received: 0,
        framesSent: number(entry.framesSent),
        width: number(entry.frameWidth),
        height: number(entry.frameHeight),
        limitedBy: reason === "cpu" || reason === "bandwidth" || reason === "other" ? reason : "none",
        rttMs: null,
        loss: null,
      };
    } else if (entry.type === "remote-inbound-rtp" && entry.kind === "video") {
      if (typeof entry.fractionLost === "number") loss = entry.fractionLost;
      if (typeof entry.roundTripTime === "number") rttMs = entry.roundTripTime * 1000;
    } else if (entry.type === "candidate-pair" && entry.nominated === true) {
      received += number(entry.bytesReceived) + number(entry.responsesReceived);
      if (rttMs === null && typeof entry.currentRoundTripTime === "number") rttMs = entry.currentRoundTripTime * 1000;
    }
  });
  return out ? { ...(out as Counters), received, rttMs, loss } : null;
}

function number(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
