// Watches with whip-whep over libwebrtc:
//   node watch.js WHEP_URL
// Says "frames N" for every tenth decoded picture, "sound" once, "restarted" for each line "restart" on its input,
// and "stopped" at the end.
import wrtc from "@roamhq/wrtc";
import readline from "node:readline";
import { WHEPClient } from "whip-whep/whep.js";

const [url] = process.argv.slice(2);
const pc = new wrtc.RTCPeerConnection({ bundlePolicy: "max-bundle" });
pc.addTransceiver("audio", { direction: "recvonly" });
pc.addTransceiver("video", { direction: "recvonly" });

let frames = 0, heard = false;
pc.ontrack = ({ track }) => {
  if (track.kind === "video") {
    new wrtc.nonstandard.RTCVideoSink(track).onframe = () => {
      if (++frames % 10 === 0) console.log(`frames ${frames}`);
    };
    return;
  }
  new wrtc.nonstandard.RTCAudioSink(track).ondata = ({ samples }) => {
    if (!heard && samples.some((s) => Math.abs(s) > 200)) {
      heard = true;
      console.log("sound");
    }
  };
};

process.on("unhandledRejection", (e) => { console.error(e); process.exit(1); });
const client = new WHEPClient();
await client.view(pc, url);
const input = readline.createInterface({ input: process.stdin });
input.on("line", async (line) => {
  if (line === "restart") {
    await client.restart();
    frames = 0;
    console.log("restarted");
  }
});
input.on("close", async () => {
  await client.stop();
  console.log("stopped");
  process.exit(0);
});
