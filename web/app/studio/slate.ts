// A calm picture for when there is no camera: viewers see the show's name instead of black.

export interface Slate {
  readonly track: MediaStreamTrack;
  stop(): void;
}

/** Encoders want frames even of a still: without any, a viewer who joins now would wait for the first one. */
const EVERY_MS = 200;
const INK = "#0E1116";
const SAFFRON = "#F2A71B";
const PAPER = "#FAF8F4";

export function openSlate(title: string, width: number, height: number): Slate {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  const track = canvas.captureStream(1000 / EVERY_MS).getVideoTracks()[0];
  if (!pen || !track) throw new DOMException("no canvas stream", "NotSupportedError");
  track.contentHint = "detail";
  let tick = 0;
  const draw = (): void => {
    pen.fillStyle = INK;
    pen.fillRect(0, 0, width, height);
    pen.textAlign = "center";
    pen.fillStyle = PAPER;
    pen.font = `600 ${Math.round(height / 11)}px system-ui, sans-serif`;
    pen.fillText(title, width / 2, height * 0.48, width * 0.86);
    pen.font = `400 ${Math.round(height / 20)}px system-ui, sans-serif`;
    pen.fillText("The picture is back in a moment", width / 2, height * 0.6, width * 0.86);
    // A slow light, so that nobody takes the slate for a frozen stream.
    pen.globalAlpha = 0.55 + 0.45 * Math.sin(tick++ / 5);
    pen.fillStyle = SAFFRON;
    pen.fillRect(width * 0.44, height * 0.68, width * 0.12, Math.max(2, height / 120));
    pen.globalAlpha = 1;
  };
  draw();
  const timer = setInterval(draw, EVERY_MS);
  return {
    track,
    stop: () => {
      clearInterval(timer);
      track.stop();
    },
  };
}
