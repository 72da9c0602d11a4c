// What carries a room's line: a WebSocket. Its twin for where those are blocked is in eventstream.ts; kept.ts decides when
// one is opened, and never has two.

/** The first words on a new line. */
export interface Greeting {
  t: "join";
  room: string;
  epoch?: string;
  o?: number;
}

export interface CarrierPort {
  greet(): Greeting;
  heard(text: string): void;
  /** Called once at most, and not after close(). 1006: without a word. */
  ended(code: number, reason: string): void;
  /** Instead of ended: the server is there, and asks to come back after so many milliseconds. */
  putOff(ms: number): void;
}

export interface Carrier {
  /** false: it did not leave. */
  send(frame: object): boolean;
  close(): void;
}

export function openSocket(url: string, port: CarrierPort): Carrier {
  const socket = new WebSocket(url);
  socket.onopen = () => socket.send(JSON.stringify(port.greet()));
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") port.heard(data);
  };
  socket.onclose = ({ code, reason }) => port.ended(code, reason);
  return {
    send: (frame) => {
      if (socket.readyState !== WebSocket.OPEN) return false;
      socket.send(JSON.stringify(frame));
      return true;
    },
    close: () => {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}
