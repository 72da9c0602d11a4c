// What stands between the creator and being seen, in words, one notice at a time, the gravest first.

import type { JSX } from "preact";
import { Button } from "../shared/ui";
import { WarnIcon } from "../shared/back/icons";
import { useOnline } from "../shared/back/online";
import type { Stage } from "./stage";

interface Note {
  tone: "warn" | "error" | "calm";
  title: string;
  text: string;
  action?: { label: string; run: () => void };
}

export function Notices({ stage }: { stage: Stage }): JSX.Element {
  const online = useOnline();
  const note = airNote(stage, online) ?? (stage.wanted.value ? captureNote(stage) : null);
  // The region is always there: screen readers announce what changes inside it, not what arrives with it.
  return (
    <div class="st-notices" role="status" aria-live="polite">
      {note && (
        <div class={`st-note st-note--${note.tone}`}>
          <WarnIcon />
          <div>
            <strong>{note.title}</strong>
            <p>{note.text}</p>
          </div>
          {note.action && (
            <Button onClick={note.action.run}>
              {note.action.label}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

function airNote(stage: Stage, online: boolean): Note | null {
  const phase = stage.publisher.phase.value;
  const goLive = (): void => stage.goLive();
  if (stage.endFailed.value) {
    return {
      tone: "error",
      title: "You are off the air, but the show is not ended yet",
      text: stage.endFailed.value,
      action: { label: "End show", run: () => void stage.end() },
    };
  }
  if (phase.name === "elsewhere") {
    return {
      tone: "warn",
      title: "You are live from somewhere else",
      text: "Another tab or device of yours took over this show. Viewers see that one.",
      action: { label: "Take back", run: goLive },
    };
  }
  if (phase.name === "refused") return { tone: "error", title: "Not live", text: phase.words, action: { label: "Try again", run: goLive } };
  if (!online) {
    const text = stage.wanted.value ? "Viewers see your last picture. You come back by yourself when the line does." : "Your changes cannot reach the server until the line is back.";
    return { tone: "warn", title: "This device is offline", text };
  }
  if (phase.name === "waiting") {
    return {
      tone: "warn",
      title: "Reconnecting",
      text: `${phase.why} You come back by yourself; viewers see your last picture until then.`,
      action: { label: "Try now", run: () => stage.publisher.nudge() },
    };
  }
  if (phase.name === "checking") return { tone: "calm", title: "The server ended this stream", text: "Finding out whether another tab or device of yours took over…" };
  if (phase.name === "connecting" && phase.again) return { tone: "warn", title: "Reconnecting", text: "Viewers see your last picture until you are back." };
  if (phase.name === "idle" && stage.show.value.state === "live" && stage.show.value.on_air) {
    return { tone: "calm", title: "This show is live now", text: "From OBS, or another tab or device of yours. Going live here takes over; viewers stay connected." };
  }
  if (phase.name === "idle" && stage.show.value.state === "live") {
    return { tone: "warn", title: "Your show is open, but no picture arrives", text: "Viewers are waiting. Go live to continue the same show." };
  }
  return null;
}

/** What viewers would complain about, said before they do. */
function captureNote(stage: Stage): Note | null {
  const { capture, meter, picture } = stage;
  const microphone = capture.microphoneFault.value;
  if (microphone) return { tone: "warn", title: microphone.title, text: microphone.detail, action: { label: "Try again", run: () => void capture.useMicrophone(capture.microphoneId.value) } };
  const camera = capture.cameraFault.value;
  if (camera) return { tone: "warn", title: camera.title, text: camera.detail, action: { label: "Try again", run: () => void capture.useCamera(capture.cameraId.value) } };
  if (picture.fault.value === "black") return { tone: "warn", title: "Viewers see black", text: "Is the lens covered, or the light off?" };
  if (picture.fault.value === "frozen") return { tone: "warn", title: "Your picture stands still", text: "Turn the camera off and on again, or plug it in again." };
  if (meter.silent.value) return { tone: "warn", title: "We hear nothing", text: "Check the switch on the microphone, or pick another one." };
  return null;
}
