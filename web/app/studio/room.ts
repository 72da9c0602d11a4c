// The show's events (realtime) into the studio's models. Nothing is lost on the way: a reconnect brings what was missed
// or a snapshot, and versions decide between an event and a document read over HTTP.

import { effect } from "@preact/signals";
import type { Room } from "../shared/realtime";
import type { SalesBoard } from "./sales";
import type { RunSheet } from "./sheet";
import type { Stage } from "./stage";

/** Opens the room, and follows until the returned function is called. */
export function followRoom(room: Room, stage: Stage, sheet: RunSheet, board: SalesBoard): () => void {
  room.on("show.state", (state) => {
    stage.show.value = { ...stage.show.peek(), ...state };
  });
  room.on("pin.set", ({ product }, key) => sheet.takePin(product, room.version("pin.set", key)));
  room.on("price.set", ({ variant, amount, currency, flash }, key) => sheet.takePrice(variant, amount, currency, flash, room.version("price.set", key)));
  room.on("stock.set", ({ variant, left, flash_left }, key) => {
    sheet.takeStock(variant, left, flash_left ?? null, room.version("stock.set", key));
    board.stale();
  });
  room.on("drop.set", ({ variant, opens_at }, key) => sheet.takeDrop(variant, opens_at, room.version("drop.set", key)));
  room.on("viewers.set", ({ count }) => {
    stage.watching.value = count;
  });
  room.on("catalog.set", () => void sheet.load());
  let lost = false;
  const watch = effect(() => {
    const phase = room.phase.value;
    // The server that is gone may be the one that takes our stream: nobody must read LIVE for as long as ICE needs to notice.
    // One that came back may be another process, which knows nothing of our stream.
    if (phase === "waiting" || (phase === "joined" && lost)) stage.publisher.suspect();
    lost = phase === "waiting" || (lost && phase !== "joined");
  });
  room.open();
  return () => {
    watch();
    room.close();
  };
}
