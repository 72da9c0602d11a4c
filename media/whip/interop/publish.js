// Publishes moving pictures and a tone with whip-whep over libwebrtc:
//   node publish.js WHIP_URL TOKEN
// Says "connected", then "restarted" for each line "restart" on its input, and "stopped" at the end.
import wrtc from "@roamhq/wrtc";
import readline from "node:readline";
import { WHIPClient } from "whip-whep/whip.js";

const [url, token] = process.argv.slice(2);
const width = 320, height = 180, fps = 15;
const video = new wrtc.nonstandard.RTCVideoSource();
const audio = new wrtc.nonstandard.RTCAudioSource();
const pc = new wrtc.RTCPeerConnection({ bundlePolicy: "max-bundle" });
for (const source of [audio, video]) {
  pc.addTransceiver(source.createTrack(), { direction: "sendonly" });
}

let n = 0;
const picture = new Uint8ClampedArray(width * height * 1.5).fill(128);
setInterval(() => {
  n++;
  for (let i = 0; i < width * height; i++) picture[i] = (i + 5 * n) & 255;
  video.onFrame({ width, height, data: picture });
}, 1000 / fps);
const samples = new Int16Array(480);
setInterval(() => {
  for (let i = 0; i < samples.length; i++) samples[i] = 3000 * Math.sin((2 * Math.PI * 440 * i) / 48000);
  audio.onData({ samples, sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
}, 10);

process.on("unhandledRejection", (e) => { console.error(e); process.exit(1); });
const client = new WHIPClient();
await client.publish(pc, url, token);
pc.addEventListener("connectionstatechange", () => console.log(pc.connectionState));

const input = readline.createInterface({ input: process.stdin });
input.on("line", async (line) => {
  if (line === "restart") {
    await client.restart();
    console.log("restarted");
  }
});
input.on("close", async () => {
  await client.stop();
  console.log("stopped");
  process.exit(0);
});
