// How good a viewer's line is, in three words, from what the browser counts.

export type Line = "measuring" | "good" | "weak" | "poor";

interface Counters {
  at: number;
  received: number;
  lost: number;
  freezeSeconds: number;
}

const POOR_LOSS = 0.08;
const WEAK_LOSS = 0.02;
const POOR_FREEZE_S = 0.5;
const WEAK_RTT_S = 0.35;
/** A better word needs this many good seconds in a row; a worse one is said at once. */
const CALM_READINGS = 4;

const RANK: Record<Line, number> = { measuring: 0, good: 1, weak: 2, poor: 3 };

export class LineMeter {
  private last: Counters | null = null;
  private line: Line = "measuring";
  private calm = 0;
  private lastPacketAt = performance.now();

  /** Milliseconds since the last reading in which a video packet had arrived. */
  silentFor(): number {
    return performance.now() - this.lastPacketAt;
  }

  read(stats: RTCStatsReport, at: number): Line {
    const now = counters(stats, at);
    const before = this.last;
    this.last = now;
    if (!now || !before) return this.line;
    if (now.received > before.received) this.lastPacketAt = at;
    return this.settle(judge(before, now, roundTrip(stats)));
  }

  private settle(seen: Line): Line {
    if (this.line === "measuring" || RANK[seen] >= RANK[this.line]) {
      this.line = seen;
      this.calm = 0;
    } else if (++this.calm >= CALM_READINGS) {
      this.line = seen;
      this.calm = 0;
    }
    return this.line;
  }
}

function judge(before: Counters, now: Counters, rtt: number): Line {
  const received = now.received - before.received;
  const lost = Math.max(0, now.lost - before.lost);
  const loss = received + lost > 0 ? lost / (received + lost) : 0;
  const frozen = now.freezeSeconds - before.freezeSeconds;
  // A picture that plays brings packets every second; none at all is the worst line there is.
  if (received === 0 || loss > POOR_LOSS || frozen > POOR_FREEZE_S) return "poor";
  if (loss > WEAK_LOSS || frozen > 0 || rtt > WEAK_RTT_S) return "weak";
  return "good";
}

function counters(stats: RTCStatsReport, at: number): Counters | null {
  let found: Counters | null = null;
  stats.forEach((entry: { type: string; kind?: string; packetsReceived?: number; packetsLost?: number; totalFreezesDuration?: number }) => {
    if (entry.type !== "inbound-rtp" || entry.kind !== "video") return;
    found = {
      at,
      received: entry.packetsReceived ?? 0,
      lost: entry.packetsLost ?? 0,
      freezeSeconds: entry.totalFreezesDuration ?? 0,
    };
  });
  return found;
}

function roundTrip(stats: RTCStatsReport): number {
  let rtt = 0;
  stats.forEach((entry: { type: string; nominated?: boolean; currentRoundTripTime?: number }) => {
    if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime !== undefined) rtt = entry.currentRoundTripTime;
  });
  return rtt;
}
