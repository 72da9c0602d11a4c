// A WebSocket by the npm package ws, told what to do line by line:
//   open URL [ORIGIN] | send TEXT | parts TEXT (as three fragments) | bytes TEXT (as binary) | ping DATA | close CODE
// It says: opened PROTOCOL-EXTENSIONS | text TEXT | pong DATA | closed CODE REASON | refused STATUS, and ends with its input.
import readline from "node:readline";
import WebSocket from "ws";

let socket;
const say = (...words) => console.log(words.join(" "));

function open(url, origin) {
  socket = new WebSocket(url, origin ? { origin } : {});
  socket.on("open", () => say("opened", socket.extensions || "plain"));
  socket.on("message", (data, binary) => say(binary ? "binary" : "text", data.toString()));
  socket.on("pong", (data) => say("pong", data.toString()));
  socket.on("close", (code, reason) => say("closed", code, reason.toString()));
  socket.on("unexpected-response", (_request, response) => {
    say("refused", response.statusCode);
    response.resume();
  });
  socket.on("error", (e) => console.error(String(e)));
}

function parts(text) {
  const third = Math.ceil(text.length / 3);
  socket.send(text.slice(0, third), { fin: false });
  socket.send(text.slice(third, 2 * third), { fin: false });
  socket.send(text.slice(2 * third), { fin: true });
}

const commands = {
  open: (rest) => open(...rest.split(" ")),
  send: (rest) => socket.send(rest),
  parts,
  bytes: (rest) => socket.send(Buffer.from(rest)),
  ping: (rest) => socket.ping(rest),
  close: (rest) => socket.close(Number(rest)),
};

const input = readline.createInterface({ input: process.stdin });
input.on("line", (line) => {
  const at = line.indexOf(" ");
  commands[line.slice(0, at)](line.slice(at + 1));
});
input.on("close", () => process.exit(0));
