// What the creator shows and says right now: one picture (camera, screen or slate) and one sound. It owns every track it
// opened and stops it when it is replaced, so that a camera's light is off whenever its picture is not used.

import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import * as devices from "./devices";
import type { Device, Fault, Quality } from "./devices";
import { openSlate, type Slate } from "./slate";

export type Source = "camera" | "screen" | "slate";

const REMEMBER = { camera: "rialto.camera", microphone: "rialto.microphone" } as const;

export class Capture {
  readonly source: Signal<Source> = signal<Source>("camera");
  readonly video: Signal<MediaStreamTrack | null> = signal<MediaStreamTrack | null>(null);
  readonly audio: Signal<MediaStreamTrack | null> = signal<MediaStreamTrack | null>(null);
  readonly muted: Signal<boolean> = signal(false);
  readonly cameras: Signal<Device[]> = signal<Device[]>([]);
  readonly microphones: Signal<Device[]> = signal<Device[]>([]);
  readonly cameraId: Signal<string | null> = signal<string | null>(recall("camera"));
  readonly microphoneId: Signal<string | null> = signal<string | null>(recall("microphone"));
  readonly cameraFault: Signal<Fault | null> = signal<Fault | null>(null);
  readonly microphoneFault: Signal<Fault | null> = signal<Fault | null>(null);
  readonly opening: Signal<boolean> = signal(false);
  readonly canShareScreen = typeof navigator.mediaDevices?.getDisplayMedia === "function";
  /** A mirror helps people move the right way; text on a shared screen must stay readable. */
  readonly mirrored: ReadonlySignal<boolean> = computed(() => this.source.value === "camera");
  private slate: Slate | null = null;
  private closed = false;
  /** Counts openings per kind: only the newest may put its track on stage, however slowly an older one ends. */
  private turns = { camera: 0, microphone: 0 };
  private readonly onDevices = (): void => void this.refresh(true);

  constructor(
    private readonly quality: Quality,
    private readonly title: () => string,
    /** Told of each change, so that a live session can swap tracks. */
    private readonly onTrack: (kind: "audio" | "video", track: MediaStreamTrack | null) => void,
  ) {}

  /** Asks for camera and microphone, one after the other: each has its own answer and its own words. */
  async open(): Promise<void> {
    const blocked = devices.obstacle();
    if (blocked) {
      this.cameraFault.value = blocked;
      return;
    }
    navigator.mediaDevices.addEventListener("devicechange", this.onDevices);
    this.opening.value = true;
    try {
      await this.useCamera(this.cameraId.value);
      await this.useMicrophone(this.microphoneId.value);
      await this.refresh(false);
    } finally {
      this.opening.value = false;
    }
  }

  close(): void {
    this.closed = true;
    navigator.mediaDevices?.removeEventListener("devicechange", this.onDevices);
    this.setVideo(null);
    this.setAudio(null);
  }

  async useCamera(id: string | null): Promise<void> {
    const turn = ++this.turns.camera;
    // Many devices refuse a second opening while the first one runs.
    if (this.source.value === "camera") this.video.value?.stop();
    try {
      const track = await devices.openCamera(id, this.quality);
      if (this.closed || turn !== this.turns.camera) {
        track.stop();
        return;
      }
      const real = track.getSettings().deviceId ?? id;
      batch(() => {
        this.source.value = "camera";
        this.cameraFault.value = null;
        this.cameraId.value = real;
        this.setVideo(track);
      });
      remember("camera", real);
      track.addEventListener("ended", () => this.lost("camera", track));
    } catch (error) {
      if (this.closed || turn !== this.turns.camera) return;
      this.cameraFault.value = devices.explain(error, "camera");
      this.useSlate();
    }
  }

  async useMicrophone(id: string | null): Promise<void> {
    const turn = ++this.turns.microphone;
    try {
      const track = await devices.openMicrophone(id);
      if (this.closed || turn !== this.turns.microphone) {
        track.stop();
        return;
      }
      track.enabled = !this.muted.value;
      const real = track.getSettings().deviceId ?? id;
      batch(() => {
        this.microphoneFault.value = null;
        this.microphoneId.value = real;
        this.setAudio(track);
      });
      remember("microphone", real);
      track.addEventListener("ended", () => this.lost("microphone", track));
    } catch (error) {
      if (this.closed || turn !== this.turns.microphone) return;
      this.microphoneFault.value = devices.explain(error, "microphone");
      this.setAudio(null);
    }
  }

  /** Resolves false when the creator closed the browser's picker: that is a choice, not a fault. */
  async shareScreen(): Promise<boolean> {
    let track: MediaStreamTrack;
    try {
      track = await devices.openScreen(this.quality);
    } catch {
      return false;
    }
    this.turns.camera++;
    batch(() => {
      this.source.value = "screen";
      this.setVideo(track);
    });
    // The browser's own "Stop sharing" bar.
    track.addEventListener("ended", () => {
      if (this.video.value === track) void this.useCamera(this.cameraId.value);
    });
    return true;
  }

  /** Camera off: the device is released, and viewers see the title card. */
  useSlate(): void {
    this.turns.camera++;
    const slate = openSlate(this.title(), this.quality.width, this.quality.height);
    batch(() => {
      this.source.value = "slate";
      this.setVideo(slate.track);
    });
    this.slate = slate;
  }

  /** Once more for whatever failed. */
  async retry(): Promise<void> {
    if (this.cameraFault.value) await this.useCamera(this.cameraId.value);
    if (this.microphoneFault.value) await this.useMicrophone(this.microphoneId.value);
    await this.refresh(false);
  }

  toggleCamera(): void {
    if (this.source.value === "camera") this.useSlate();
    else void this.useCamera(this.cameraId.value);
  }

  setMuted(muted: boolean): void {
    this.muted.value = muted;
    if (this.audio.value) this.audio.value.enabled = !muted;
  }

  private setVideo(track: MediaStreamTrack | null): void {
    const old = this.video.value;
    this.slate?.stop();
    this.slate = null;
    this.video.value = track;
    this.onTrack("video", track);
    if (old && old !== track) old.stop();
  }

  private setAudio(track: MediaStreamTrack | null): void {
    const old = this.audio.value;
    this.audio.value = track;
    this.onTrack("audio", track);
    if (old && old !== track) old.stop();
  }

  /** Unplugged, or taken away by the system: go on with what is left, and say so. */
  private lost(kind: devices.Kind, track: MediaStreamTrack): void {
    if (this.closed) return;
    if (kind === "camera" && this.video.value === track) void this.useCamera(null).then(() => this.refresh(false));
    if (kind === "microphone" && this.audio.value === track) void this.useMicrophone(null).then(() => this.refresh(false));
  }

  private async refresh(retry: boolean): Promise<void> {
    const found = await devices.list();
    if (this.closed) return;
    batch(() => {
      this.cameras.value = found.cameras;
      this.microphones.value = found.microphones;
    });
    if (!retry || this.opening.value) return;
    // Something was plugged in while a fault stood: try it, nobody should have to find a button.
    if (found.cameras.length > 0 && this.cameraFault.value?.code === "missing") await this.useCamera(null);
    if (found.microphones.length > 0 && this.microphoneFault.value?.code === "missing") await this.useMicrophone(null);
  }
}

/** Storage may be full or forbidden; the pick is then good for this visit only. */
function remember(kind: devices.Kind, id: string | null): void {
  try {
    if (id) localStorage.setItem(REMEMBER[kind], id);
  } catch {
    return;
  }
}

function recall(kind: devices.Kind): string | null {
  try {
    return localStorage.getItem(REMEMBER[kind]);
  } catch {
    return null;
  }
}
