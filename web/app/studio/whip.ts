// One WHIP session (RFC 9725): offer, answer, end. It knows nothing of retries; publisher.ts keeps a show on air.

import { ApiError, refusal } from "../shared/http";
import { deadline } from "./deadline";

/** Why a session is over. A clean close comes from the server (takeover, revocation, shutdown); a lost one from the line. */
export type EndReason = "stopped" | "closed_by_server" | "lost";

export interface Profile {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  /** Upper bound for video, bit/s. The browser's own bandwidth estimate stays below it. */
  readonly maxBitrate: number;
}

export interface Tracks {
  video: MediaStreamTrack | null;
  audio: MediaStreamTrack | null;
}

export interface Session {
  readonly pc: RTCPeerConnection;
  readonly video: RTCRtpSender;
  readonly audio: RTCRtpSender;
  /** Resolves once media can flow; never rejects: a failure shows as `ended`. */
  readonly connected: Promise<void>;
  readonly ended: Promise<EndReason>;
  /** Tells the server (DELETE) and frees the connection. Safe to call twice. */
  close(): Promise<void>;
  /** For a caller who knows better than ICE that nobody is there any more. */
  giveUp(): void;
  /** The same as close from a page that is going away: nothing can be awaited there. */
  closeOnPageHide(): void;
}

/** Host candidates are there in milliseconds; a server with a public address learns the rest from our checks. */
const GATHER_MS = 400;
const POST_MS = 10_000;
const DELETE_MS = 3_000;
/** ICE calls a path disconnected after some seconds of silence; it may come back by itself within this time. */
const DISCONNECTED_GRACE_MS = 2_500;
const CONNECT_MS = 12_000;
const AUDIO_BITRATE = 64_000;
const ANSWER_LIMIT = 128 * 1024;

export async function publish(url: string, token: string, tracks: Tracks, profile: Profile, signal: AbortSignal): Promise<Session> {
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  try {
    // Both kinds are always negotiated, so that a microphone plugged in later is a replaceTrack, not a new session.
    const audio = pc.addTransceiver(tracks.audio ?? "audio", { direction: "sendonly", sendEncodings: [{ maxBitrate: AUDIO_BITRATE }] });
    const video = pc.addTransceiver(tracks.video ?? "video", {
      direction: "sendonly",
      sendEncodings: [{ maxBitrate: profile.maxBitrate, maxFramerate: profile.frameRate }],
    });
    preferCodecs(video);
    await pc.setLocalDescription();
    await gathered(pc, signal);
    const { answer, resource } = await post(url, token, pc.localDescription?.sdp ?? "", signal);
    try {
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (cause) {
      void remove(resource, token, false);
      throw new ApiError(0, "answer_invalid", `The server's answer cannot be used: ${String(cause)}`);
    }
    return watch(pc, video.sender, audio.sender, resource, token);
  } catch (error) {
    pc.close();
    throw error;
  }
}

/** H264 constrained baseline first: it plays everywhere and can be carried on to LL-HLS by remux. Then VP8, then the rest. */
export function rankCodecs<T extends { mimeType: string; sdpFmtpLine?: string }>(codecs: readonly T[]): T[] {
  const rank = (codec: T): number => {
    const type = codec.mimeType.toLowerCase();
    const line = codec.sdpFmtpLine ?? "";
    if (type === "video/h264") {
      if (!/packetization-mode=1/.test(line)) return 3;
      return /profile-level-id=42[0-9a-f]{4}/i.test(line) ? (/profile-level-id=42e0/i.test(line) ? 0 : 1) : 3;
    }
    if (type === "video/vp8") return 2;
    return 4;
  };
  return codecs
    .map((codec, index) => ({ codec, index }))
    .sort((a, b) => rank(a.codec) - rank(b.codec) || a.index - b.index)
    .map(({ codec }) => codec);
}

function preferCodecs(video: RTCRtpTransceiver): void {
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs;
  if (!codecs?.length || !("setCodecPreferences" in video)) return;
  try {
    video.setCodecPreferences(rankCodecs(codecs));
  } catch {
    // Some browsers check the list against what they can receive. Their own order then has to do.
  }
}

function gathered(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      clearTimeout(timer);
      pc.removeEventListener("icegatheringstatechange", check);
      signal.removeEventListener("abort", aborted);
      resolve();
    };
    const check = (): void => {
      if (pc.iceGatheringState === "complete") finish();
    };
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(finish, GATHER_MS);
    signal.addEventListener("abort", aborted, { once: true });
    pc.addEventListener("icegatheringstatechange", check);
    check();
  });
}

async function post(url: string, token: string, offer: string, signal: AbortSignal): Promise<{ answer: string; resource: string }> {
  let response = await send(url, token, offer, signal);
  // fetch follows a 307 to the show's origin node by itself but drops Authorization on another origin; ask there directly.
  if (response.status === 401 && response.redirected) response = await send(response.url, token, offer, signal);
  if (response.status !== 201) throw await refusal(response);
  const location = response.headers.get("Location");
  const answer = await response.text();
  if (!location || !answer || answer.length > ANSWER_LIMIT) {
    throw new ApiError(response.status, "answer_invalid", "The server accepted the stream but its answer is incomplete.");
  }
  return { answer, resource: new URL(location, response.url || url).href };
}

async function send(url: string, token: string, offer: string, signal: AbortSignal): Promise<Response> {
  const limit = deadline(POST_MS, signal);
  try {
    return await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` },
      body: offer,
      // A stream key or ticket speaks for itself: the cookie must never be what lets someone publish.
      credentials: "omit",
      signal: limit.signal,
    });
  } catch {
    signal.throwIfAborted();
    throw new ApiError(0, "unreachable", "The server cannot be reached.");
  } finally {
    limit.done();
  }
}

async function remove(resource: string, token: string, leaving: boolean): Promise<void> {
  const limit = deadline(DELETE_MS);
  try {
    const headers = { Authorization: `Bearer ${token}` };
    await fetch(resource, { method: "DELETE", headers, credentials: "omit", keepalive: leaving, signal: limit.signal });
  } catch {
    // A server that cannot hear the DELETE notices the silence instead.
  } finally {
    limit.done();
  }
}

function watch(pc: RTCPeerConnection, video: RTCRtpSender, audio: RTCRtpSender, resource: string, token: string): Session {
  let end!: (reason: EndReason) => void;
  let up!: () => void;
  const ended = new Promise<EndReason>((resolve) => (end = resolve));
  const connected = new Promise<void>((resolve) => (up = resolve));
  let grace: ReturnType<typeof setTimeout> | undefined;
  const connecting = setTimeout(() => end("lost"), CONNECT_MS);

  const path = (): void => {
    clearTimeout(grace);
    if (pc.connectionState === "connected") {
      clearTimeout(connecting);
      up();
    } else if (pc.connectionState === "failed") end("lost");
    else if (pc.connectionState === "disconnected") grace = setTimeout(() => end("lost"), DISCONNECTED_GRACE_MS);
  };
  // A server that ends a session says so in DTLS at once; ICE alone would need half a minute.
  const transport = video.transport;
  const secured = (): void => {
    if (transport?.state === "closed") end("closed_by_server");
    else if (transport?.state === "failed") end("lost");
  };
  pc.addEventListener("connectionstatechange", path);
  transport?.addEventListener("statechange", secured);
  path();

  let closing: Promise<void> | undefined;
  const shut = (): void => {
    clearTimeout(grace);
    clearTimeout(connecting);
    pc.removeEventListener("connectionstatechange", path);
    transport?.removeEventListener("statechange", secured);
    end("stopped");
    pc.close();
  };
  const close = (leaving: boolean): Promise<void> => {
    if (!closing) {
      closing = remove(resource, token, leaving);
      shut();
    }
    return closing;
  };
  return { pc, video, audio, connected, ended, giveUp: () => end("lost"), close: () => close(false), closeOnPageHide: () => void close(true) };
}
