// Under the picture: what is on, and the one button of this page.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { Button, Select, Sheet } from "../shared/ui";
import type { Device } from "./devices";
import { CameraIcon, MicIcon, ScreenIcon, StopIcon } from "./icons";
import type { Stage } from "./stage";

export function Controls({ stage }: { stage: Stage }): JSX.Element {
  const { capture } = stage;
  const source = capture.source.value;
  const muted = capture.muted.value;
  const live = stage.wanted.value;
  return (
    <div class="st-controls" role="group" aria-label="Picture and sound">
      <Toggle pressed={!muted} label={muted ? "Turn microphone on" : "Turn microphone off"} text={muted ? "Mic off" : "Mic on"} hotkey="M" onClick={() => capture.setMuted(!muted)} disabled={!capture.audio.value}>
        <MicIcon off={muted} />
      </Toggle>
      <Toggle
        pressed={source === "camera"}
        label={source === "camera" ? "Turn camera off: viewers see a title card" : "Turn camera on"}
        text={source === "camera" ? "Camera on" : "Camera off"}
        hotkey="C"
        onClick={() => (source === "camera" ? capture.useSlate() : void capture.useCamera(capture.cameraId.value))}
      >
        <CameraIcon off={source !== "camera"} />
      </Toggle>
      {capture.canShareScreen && (
        <Toggle
          pressed={source === "screen"}
          label={source === "screen" ? "Stop sharing the screen, back to the camera" : "Share a screen instead of the camera"}
          text={source === "screen" ? "Stop sharing" : "Share screen"}
          onClick={() => (source === "screen" ? void capture.useCamera(capture.cameraId.value) : void capture.shareScreen())}
        >
          <ScreenIcon />
        </Toggle>
      )}
      <span class="st-controls__gap" />
      {live && <StopButton stage={stage} />}
    </div>
  );
}

function Toggle(props: { pressed: boolean; label: string; text: string; hotkey?: string; disabled?: boolean; onClick: () => void; children: JSX.Element }): JSX.Element {
  return (
    <button
      type="button"
      class="st-toggle"
      aria-pressed={props.pressed}
      aria-label={props.label}
      title={props.hotkey ? `${props.label} (${props.hotkey})` : props.label}
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
      <Picker label="Camera" none="No camera found" devices={capture.cameras.value} value={capture.cameraId.value} onPick={(id) => void capture.useCamera(id)} />
      <Picker label="Microphone" none="No microphone found" devices={capture.microphones.value} value={capture.microphoneId.value} onPick={(id) => void capture.useMicrophone(id)} />
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
