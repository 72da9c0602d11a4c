// Cameras and microphones: which there are, how to ask for one, and what to tell a creator when it cannot be had.

export interface Device {
  id: string;
  label: string;
}

export interface Devices {
  cameras: Device[];
  microphones: Device[];
}

export type Kind = "camera" | "microphone";

export type FaultCode = "denied" | "missing" | "busy" | "unplugged" | "insecure" | "unsupported" | "failed";

export interface Fault {
  code: FaultCode;
  title: string;
  /** What to do about it, in words. */
  detail: string;
}

export interface Quality {
  readonly name: "standard" | "low";
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly maxBitrate: number;
}

export const STANDARD: Quality = { name: "standard", width: 1280, height: 720, frameRate: 30, maxBitrate: 2_500_000 };
/** For thin lines and small machines. */
export const LOW: Quality = { name: "low", width: 640, height: 360, frameRate: 15, maxBitrate: 500_000 };

export async function list(): Promise<Devices> {
  const found = await navigator.mediaDevices.enumerateDevices();
  return { cameras: named(found, "videoinput", "Camera"), microphones: named(found, "audioinput", "Microphone") };
}

/** Browsers hide labels until permission is given, and list the default microphone twice. */
export function named(found: readonly Pick<MediaDeviceInfo, "kind" | "deviceId" | "label">[], kind: MediaDeviceKind, word: string): Device[] {
  return found
    .filter((device) => device.kind === kind && device.deviceId !== "communications" && device.deviceId !== "")
    .map((device, index) => ({ id: device.deviceId, label: device.label.replace(/\s*\([0-9a-f]{4}:[0-9a-f]{4}\)$/i, "") || `${word} ${index + 1}` }));
}

/** A picked device first; when it is gone, any. Sizes are wishes: a camera that has only 640x480 is still a camera. */
export async function openCamera(id: string | null, quality: Quality): Promise<MediaStreamTrack> {
  const size: MediaTrackConstraints = {
    width: { ideal: quality.width },
    height: { ideal: quality.height },
    frameRate: { ideal: quality.frameRate, max: quality.frameRate },
  };
  const tries: MediaTrackConstraints[] = id ? [{ ...size, deviceId: { exact: id } }, size, {}] : [size, {}];
  const track = await first(tries.map((video) => ({ video })));
  track.contentHint = "motion";
  return track;
}

export async function openMicrophone(id: string | null): Promise<MediaStreamTrack> {
  const clean: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  const tries: MediaTrackConstraints[] = id ? [{ ...clean, deviceId: { exact: id } }, clean, {}] : [clean, {}];
  return first(tries.map((audio) => ({ audio })));
}

export async function openScreen(quality: Quality): Promise<MediaStreamTrack> {
  const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { ideal: Math.min(15, quality.frameRate) } }, audio: false });
  const track = stream.getVideoTracks()[0];
  if (!track) throw new DOMException("no picture was shared", "NotFoundError");
  // Small print on a label matters more than smooth scrolling.
  track.contentHint = "detail";
  return track;
}

async function first(tries: readonly MediaStreamConstraints[]): Promise<MediaStreamTrack> {
  for (const [index, constraints] of tries.entries()) {
    try {
      const track = (await navigator.mediaDevices.getUserMedia(constraints)).getTracks()[0];
      if (track) return track;
    } catch (error) {
      const over = nameOf(error) === "OverconstrainedError" || nameOf(error) === "NotFoundError";
      if (!over || index === tries.length - 1) throw error;
    }
  }
  throw new DOMException("no track", "NotFoundError");
}

/** Whether this page may ask for devices at all; null when it may. */
export function obstacle(): Fault | null {
  if (!window.isSecureContext) {
    return {
      code: "insecure",
      title: "Browsers open cameras on secure pages only",
      detail: "Open this page with an address that starts with https://, or on the server's own machine as http://localhost.",
    };
  }
  if (!navigator.mediaDevices?.getUserMedia || typeof RTCPeerConnection === "undefined") {
    return { code: "unsupported", title: "This browser cannot go live", detail: "Use a current Chrome, Edge, Firefox or Safari, or stream with OBS." };
  }
  return null;
}

/** From an error's name (never its text, which differs by browser and language) to words. */
export function explain(error: unknown, kind: Kind): Fault {
  const lens = kind === "camera";
  switch (nameOf(error)) {
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      return {
        code: "denied",
        title: lens ? "The camera is not allowed here" : "The microphone is not allowed here",
        detail: `Click the icon at the left of the address bar, allow the ${kind}, then try again. On a phone, also look in the system's settings for this browser.`,
      };
    case "NotFoundError":
    case "OverconstrainedError":
    case "DevicesNotFoundError":
      return {
        code: "missing",
        title: lens ? "No camera found" : "No microphone found",
        detail: lens ? "Plug one in and it appears here by itself. You can also go live with sound and a title card, or with OBS." : "Plug one in and it appears here by itself. Without one, viewers hear nothing.",
      };
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return {
        code: "busy",
        title: lens ? "Another program uses the camera" : "Another program uses the microphone",
        detail: "Close video calls and recording programs, then try again.",
      };
    default:
      return { code: "failed", title: lens ? "The camera did not start" : "The microphone did not start", detail: "Unplug it, plug it in again, and try again." };
  }
}

export function nameOf(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : "";
}
