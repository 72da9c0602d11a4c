// Before live: camera, microphone, line. Each check is one line that is either fine or says what to do.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { Button, CheckIcon } from "../shared/ui";
import { MeterBar, Pickers } from "./Controls";
import type { Fault } from "./devices";
import { WarnIcon } from "../shared/back/icons";
import { reach, type Reach } from "./reach";
import type { Stage } from "./stage";

export function Checks({ stage }: { stage: Stage }): JSX.Element {
  const { capture, meter } = stage;
  const line = useReach();
  // A title card without a sound is no show.
  const something = capture.source.value !== "slate" || capture.audio.value !== null;
  const ready = capture.video.value !== null && !capture.opening.value && something;
  return (
    <section class="st-card st-checks" aria-labelledby="checks-title">
      <h2 id="checks-title">Ready?</h2>
      <ul>
        <CameraCheck stage={stage} />
        <Check
          name="Microphone"
          state={capture.microphoneFault.value ? "fault" : capture.muted.value ? "warn" : meter.heard.value ? "good" : "wait"}
          words={capture.muted.value ? "It is turned off." : meter.heard.value ? "We hear you." : capture.opening.value ? "Starting…" : "Say something: the bar moves."}
          fault={microphoneFault(stage)}
          onRetry={bothDenied(stage) ? undefined : () => void capture.useMicrophone(capture.microphoneId.value)}
        >
          {capture.audio.value ? <MeterBar stage={stage} /> : null}
        </Check>
        <LineCheck line={line.value} onRetry={line.retry} />
      </ul>
      <Pickers stage={stage} />
      <Button tone="buy" wide disabled={!ready} onClick={() => stage.goLive()}>
        Go live
      </Button>
      <p class="st-hint">{ready ? "Viewers see you as soon as you press. You can end at any time." : something ? "Waiting for a picture." : "Allow a camera or a microphone first, or share your screen."}</p>
    </section>
  );
}

function CameraCheck({ stage }: { stage: Stage }): JSX.Element {
  const { capture, picture } = stage;
  const source = capture.source.value;
  const black = picture.fault.value;
  const words =
    capture.opening.value && !capture.video.value
      ? "Your browser may ask: allow camera and microphone."
      : source === "slate"
        ? "Off: viewers see a card with the show's title."
        : source === "screen"
          ? "Viewers see your screen."
          : black === "black"
            ? "The picture is black. Is the lens covered?"
            : black === "frozen"
              ? "The picture does not move. Unplug the camera and plug it in again."
              : "Viewers get this picture.";
  const state = capture.cameraFault.value ? "fault" : !capture.video.value ? "wait" : black || source === "slate" ? "warn" : "good";
  return <Check name="Camera" state={state} words={words} fault={capture.cameraFault.value} onRetry={() => void capture.retry()} />;
}

const bothDenied = ({ capture }: Stage): boolean => capture.cameraFault.value?.code === "denied" && capture.microphoneFault.value?.code === "denied";

/** One refusal usually covers both devices: what to do about it is said once. */
function microphoneFault(stage: Stage): Fault | null {
  const fault = stage.capture.microphoneFault.value;
  return fault && bothDenied(stage) ? { ...fault, title: "Nor is the microphone", detail: "The same step allows both." } : fault;
}

function LineCheck({ line, onRetry }: { line: Reach; onRetry: () => void }): JSX.Element {
  if (line.state === "checking") return <Check name="Line" state="wait" words="Measuring…" />;
  if (line.state === "none") return <Check name="Line" state="fault" words="" fault={{ code: "failed", title: "No line to the server", detail: line.words }} onRetry={onRetry} />;
  return <Check name="Line" state={line.state === "good" ? "good" : "warn"} words={line.words} />;
}

type CheckState = "wait" | "good" | "warn" | "fault";
const SAID: Record<CheckState, string> = { wait: "waiting", good: "fine", warn: "look at this", fault: "needs you" };

function Check(props: { name: string; state: CheckState; words: string; fault?: Fault | null; onRetry?: (() => void) | undefined; children?: JSX.Element | null }): JSX.Element {
  return (
    <li class={`st-check st-check--${props.state}`}>
      <span class="st-check__mark" role="img" aria-label={SAID[props.state]}>
        {props.state === "good" ? <CheckIcon /> : props.state === "wait" ? <i /> : <WarnIcon />}
      </span>
      <div class="st-check__body">
        <strong>{props.fault ? props.fault.title : props.name}</strong>
        <p role={props.fault ? "alert" : undefined}>{props.fault ? props.fault.detail : props.words}</p>
        {props.children}
        {props.fault && props.fault.code !== "insecure" && props.fault.code !== "unsupported" && props.onRetry && (
          <Button onClick={props.onRetry}>
            Try again
          </Button>
        )}
      </div>
    </li>
  );
}

function useReach(): { value: Reach; retry: () => void } {
  const state = useSignal<Reach>({ state: "checking" });
  const turn = useSignal(0);
  useEffect(() => {
    const stop = new AbortController();
    state.value = { state: "checking" };
    void reach(stop.signal).then((found) => {
      if (!stop.signal.aborted) state.value = found;
    });
    return () => stop.abort();
  }, [turn.value]);
  useEffect(() => {
    const again = (): void => void turn.value++;
    window.addEventListener("online", again);
    window.addEventListener("offline", again);
    return () => {
      window.removeEventListener("online", again);
      window.removeEventListener("offline", again);
    };
  }, []);
  return { value: state.value, retry: () => turn.value++ };
}
