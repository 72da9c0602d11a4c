import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { BackIcon, SoundOffIcon, SoundOnIcon } from "../../shared/ui/icons";
import { IconButton } from "../../shared/ui/controls";
import { LiveBadge } from "../../shared/ui/states";
import type { WatchModel } from "./model";
import { Slate } from "./Slate";
import { Viewers } from "./Talk";

const LINE_WORDS = { measuring: "", good: "Good line", weak: "Weak line", poor: "Poor line" } as const;

/** The picture and what lies on it. Video starts muted, as browsers demand; one tap gives it sound. */
export function Stage({ model, tall, children }: { model: WatchModel; tall: Signal<boolean>; children?: ComponentChildren }) {
  const video = useRef<HTMLVideoElement>(null);
  const still = useRef<HTMLCanvasElement>(null);
  const [muted, setMuted] = useState(true);
  const [seen, setSeen] = useState(false);
  const scene = model.scene.value;
  const stream = model.watcher.stream.value;
  const show = model.show.value;

  useEffect(() => {
    const element = video.current;
    if (!element || !stream || element.srcObject === stream) return;
    // A new stream blanks the element until its first frame: the old picture stays on the canvas below.
    keepPicture(element, still.current);
    element.srcObject = stream;
    play(element, () => setMuted(true));
  }, [stream]);

  const streaming = stream !== null;
  useEffect(() => {
    if (video.current && streaming) return model.alignPins(video.current);
  }, [model, streaming]);

  useEffect(() => {
    const back = (): void => {
      if (document.visibilityState === "visible" && video.current?.srcObject) play(video.current, () => setMuted(true));
    };
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, []);

  const toggleSound = (): void => {
    const element = video.current;
    if (!element) return;
    const next = !muted;
    element.muted = next;
    setMuted(next);
    play(element, () => setMuted(true));
  };

  const playing = scene === "live";
  const line = model.watcher.line.value;
  return (
    <section class="stage" aria-label="Video">
      <img class="stage-poster" src={show?.poster ?? "/img/poster.svg"} alt="" />
      {!seen && <img class="stage-cover" src={show?.poster ?? "/img/poster.svg"} alt="" />}
      <canvas class="stage-still" ref={still} aria-hidden="true" />
      <video
        ref={video}
        class={`stage-video${seen ? "" : " stage-unseen"}`}
        autoPlay
        playsInline
        muted
        disablePictureInPicture
        aria-label={show ? `Live video: ${show.title}` : "Live video"}
        onLoadedData={() => setSeen(true)}
        onResize={(event) => (tall.value = event.currentTarget.videoHeight > event.currentTarget.videoWidth)}
      />
      <div class="stage-top">
        <a class="icon-btn stage-btn" href="/" aria-label="Back to all shows" title="Back to all shows">
          <BackIcon />
        </a>
        <div class="stage-title">
          {show && (
            <p>
              <strong>{show.title}</strong>
              <span class="stage-creator">
                <span>{show.creator.name}</span> <Viewers model={model} />
              </span>
            </p>
          )}
        </div>
        {playing && <LiveBadge />}
        {playing && line !== "measuring" && (
          <span class={`line line-${line}`} title={LINE_WORDS[line]}>
            <span class="line-bars" aria-hidden="true" />
            <span class="line-word">{LINE_WORDS[line]}</span>
          </span>
        )}
        {seen && (
          <IconButton class="stage-btn" label={muted ? "Turn sound on" : "Turn sound off"} onClick={toggleSound} aria-pressed={!muted}>
            {muted ? <SoundOffIcon /> : <SoundOnIcon />}
          </IconButton>
        )}
      </div>
      {playing && seen && muted && (
        <button type="button" class="tap-sound" onClick={toggleSound}>
          <SoundOffIcon /> Tap for sound
        </button>
      )}
      <Slate model={model} hasPicture={seen} />
      {children}
    </section>
  );
}

/** Sound may be refused without a tap; picture without sound never is. */
function play(element: HTMLVideoElement, onMuted: () => void): void {
  element.play().catch(() => {
    element.muted = true;
    onMuted();
    element.play().catch(() => undefined);
  });
}

function keepPicture(from: HTMLVideoElement, to: HTMLCanvasElement | null): void {
  if (!to || !from.videoWidth) return;
  to.width = from.videoWidth;
  to.height = from.videoHeight;
  to.getContext("2d")?.drawImage(from, 0, 0);
}
