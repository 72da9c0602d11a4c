// The creator's own picture, as viewers get it except for the mirror, with what matters laid over it.

import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { JSX } from "preact";
import { useServerNow } from "../shared/clock";
import { LINE_WORDS } from "./quality";
import type { Stage } from "./stage";
import { elapsed } from "../shared/back/words";

export function Preview({ stage }: { stage: Stage }): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const { capture, picture } = stage;

  useSignalEffect(() => {
    const track = capture.video.value;
    const element = video.current;
    if (!element) return;
    element.srcObject = track ? new MediaStream([track]) : null;
    // Muted inline video may always play; a refusal means that the element is gone already.
    if (track) void element.play().catch(() => undefined);
    if (track && capture.source.value === "camera") picture.watch(element);
    else picture.stop();
  });

  const source = capture.source.value;
  return (
    <div class="st-preview">
      <video
        ref={video}
        class={capture.mirrored.value ? "st-video st-video--mirror" : "st-video"}
        muted
        playsInline
        aria-label={source === "camera" ? "Your camera, mirrored" : source === "screen" ? "The screen you share" : "The title card viewers see"}
      />
      {!capture.video.value && <p class="st-preview__empty">{capture.opening.value ? "Starting the camera…" : "No picture"}</p>}
      <div class="st-preview__top">
        <AirBadge stage={stage} />
        <span class="st-preview__right">
          <Watching stage={stage} />
          <LineBadge stage={stage} />
        </span>
      </div>
      {capture.muted.value && <p class="st-preview__muted">Microphone is off</p>}
    </div>
  );
}

function AirBadge({ stage }: { stage: Stage }): JSX.Element | null {
  const { name } = stage.publisher.phase.value;
  if (name === "live") {
    return (
      <span class="st-badge st-badge--live">
        <span class="st-dot" aria-hidden="true" />
        LIVE <Elapsed since={stage.show.value.started_at} />
      </span>
    );
  }
  if (name === "connecting" || name === "waiting" || name === "checking") return <span class="st-badge">{stage.show.value.state === "live" ? "Reconnecting…" : "Connecting…"}</span>;
  return stage.show.value.state === "ended" ? <span class="st-badge">Ended</span> : <span class="st-badge">Only you see this</span>;
}

/** Running time by the server's clock, so that every device of the creator shows the same second. */
function Elapsed({ since }: { since: string | null }): JSX.Element | null {
  const now = useServerNow(500);
  if (!since) return null;
  return (
    <time class="num" role="timer">
      {elapsed(now - Date.parse(since))}
    </time>
  );
}

function Watching({ stage }: { stage: Stage }): JSX.Element | null {
  const count = stage.watching.value;
  if (count === null || stage.ended.value) return null;
  return (
    <span class="st-badge num" title="People watching now, without you">
      {count.toLocaleString("en")} watching
    </span>
  );
}

function LineBadge({ stage }: { stage: Stage }): JSX.Element | null {
  if (stage.publisher.phase.value.name !== "live") return null;
  const report = stage.publisher.line.value;
  const bars = { measuring: 0, silent: 0, weak: 1, fair: 2, good: 3 }[report.line];
  return (
    <span class={`st-badge st-line st-line--${report.line}`}>
      <span class="st-bars" aria-hidden="true">
        {[1, 2, 3].map((bar) => (
          <i key={bar} class={bar <= bars ? "on" : ""} />
        ))}
      </span>
      {LINE_WORDS[report.line]}
    </span>
  );
}

/** The figures behind the word, for who wants them. */
export function LineDetails({ stage }: { stage: Stage }): JSX.Element | null {
  if (stage.publisher.phase.value.name !== "live") return null;
  const { kbps, fps, width, height, rttMs, lossPercent, advice } = stage.publisher.line.value;
  return (
    <div class="st-figures">
      <dl>
        <Figure name="Picture" value={width ? `${width} × ${height}` : "–"} />
        <Figure name="Frames" value={`${fps}/s`} />
        <Figure name="Sending" value={`${kbps.toLocaleString("en")} kbit/s`} />
        <Figure name="Round trip" value={rttMs === null ? "–" : `${rttMs} ms`} />
        <Figure name="Lost" value={lossPercent === null ? "–" : `${lossPercent} %`} />
      </dl>
      {advice && <p class="st-advice">{advice}</p>}
    </div>
  );
}

function Figure({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd class="num">{value}</dd>
    </div>
  );
}
