// Under the picture: what is on, and the one button of this page.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Button, Select, Sheet } from "../shared/ui";
import type { Device } from "./devices";
import { CameraIcon, MicIcon, ScreenIcon, StopIcon } from "../shared/back/icons";
import type { Stage } from "./stage";

export function Controls({ stage }: { stage: Stage }): JSX.Element {
  const { capture } = stage;
  const source = capture.source.value;
  const muted = capture.muted.value;
  const live = stage.wanted.value;
  return (
    <div class="st-controls" role="group" aria-label="Picture and sound">
      <Toggle text="Mic" on={!muted} does={muted ? "Turn the microphone on" : "Turn the microphone off"} hotkey="M" disabled={!capture.audio.value} onClick={() => capture.setMuted(!muted)}>
        <MicIcon off={muted} />
      </Toggle>
      <Toggle text="Camera" on={source === "camera"} does={source === "camera" ? "Turn the camera off: viewers see a title card" : "Turn the camera on"} hotkey="C" onClick={() => capture.toggleCamera()}>
        <CameraIcon off={source !== "camera"} />
      </Toggle>
      {capture.canShareScreen && (
        <Toggle
          text="Screen"
          on={source === "screen"}
          does={source === "screen" ? "Stop sharing, back to the camera" : "Share a screen instead of the camera"}
          onClick={() => (source === "screen" ? void capture.useCamera(capture.cameraId.value) : void capture.shareScreen())}
        >
          <ScreenIcon />
        </Toggle>
      )}
      {live && <StopButton stage={stage} />}
    </div>
  );
}

/** One name that stays and a pressed state that changes; what a press would do is the description. */
function Toggle(props: { text: string; on: boolean; does: string; hotkey?: string; disabled?: boolean; onClick: () => void; children: JSX.Element }): JSX.Element {
  return (
    <button
      type="button"
      class="st-toggle"
      aria-pressed={props.on}
      title={props.hotkey ? `${props.does} (${props.hotkey})` : props.does}
      aria-keyshortcuts={props.hotkey}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      {props.children}
      <span>{props.text}</span>
    </button>
  );
}

function StopButton({ stage }: { stage: Stage }): JSX.Element {
  const asking = useSignal(false);
  return (
    <>
      <button type="button" class="st-stop" onClick={() => (asking.value = true)}>
        <StopIcon />
        <span>End show</span>
      </button>
      {asking.value && (
        <Sheet place="center" title="End the show?" onClose={() => (asking.value = false)}>
          <p>The picture stops for everybody and the show is over. Orders that are paid stay paid; it cannot be opened again.</p>
          <div class="st-actions">
            <Button onClick={() => (asking.value = false)}>
              Keep going
            </Button>
            <Button
              tone="danger"
              busy={stage.ending.value}
              onClick={() => {
                asking.value = false;
                void stage.end();
              }}
            >
              End show
            </Button>
          </div>
        </Sheet>
      )}
    </>
  );
}

export function Pickers({ stage }: { stage: Stage }): JSX.Element {
  const { capture } = stage;
  return (
    <div class="st-pickers">
      <Picker label="Camera" none={capture.cameraFault.value?.code === "denied" ? "Not allowed yet" : "No camera found"} devices={capture.cameras.value} value={capture.cameraId.value} onPick={(id) => void capture.useCamera(id)} />
      <Picker label="Microphone" none={capture.microphoneFault.value?.code === "denied" ? "Not allowed yet" : "No microphone found"} devices={capture.microphones.value} value={capture.microphoneId.value} onPick={(id) => void capture.useMicrophone(id)} />
    </div>
  );
}

function Picker(props: { label: string; none: string; devices: Device[]; value: string | null; onPick: (id: string) => void }): JSX.Element {
  const known = props.devices.some(({ id }) => id === props.value);
  const options = props.devices.map(({ id, label }) => ({ value: id, label }));
  if (!known) options.unshift({ value: "", label: props.devices.length === 0 ? props.none : "Choose…" });
  return <Select label={props.label} value={known ? (props.value ?? "") : ""} options={options} disabled={props.devices.length === 0} onChange={(id) => id && props.onPick(id)} />;
}

export function MeterBar({ stage }: { stage: Stage }): JSX.Element {
  const level = stage.meter.level.value;
  const percent = Math.round(level * 100);
  return (
    <div class="st-meter" role="meter" aria-label="Microphone level" aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}>
      {Array.from({ length: 24 }, (_, i) => (
        <i key={i} class={i / 24 < level ? (i > 20 ? "hot" : "on") : ""} />
      ))}
    </div>
  );
}
