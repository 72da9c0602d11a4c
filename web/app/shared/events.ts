// Payloads of the events a show's room sends, as the commerce packages declare them. Keys and versions are realtime.ts's.

import type { ShowState } from "./api";

/** What a person is in a show; hosts run it, buyers have paid for something in it. */
export type RoomRole = "host" | "moderator" | "buyer" | "viewer";

/** A price for a while: from starts_at until ends_at, for at most `cap` units (0: no cap). */
export interface FlashPrice {
  id: string;
  amount: number;
  starts_at: string;
  ends_at: string;
  cap: number;
}

export interface EventPayloads {
  /** key "show" */
  "show.state": {
    state: ShowState;
    on_air: boolean;
    title: string;
    starts_at: string | null;
    started_at: string | null;
    ended_at: string | null;
  };
  /** key "pin" */
  "pin.set": { product: string | null };
  /** key: variant id. `amount` is the standing price; the page judges by the server's clock whether the flash price holds. */
  "price.set": { variant: string; amount: number; currency: string; flash: FlashPrice | null };
  /** key: variant id. `flash_left` is null when the flash price has no cap, or there is none. */
  "stock.set": { variant: string; pool: string; left: number; flash_left: number | null };
  /** key: variant id. null: nothing to wait for. */
  "drop.set": { variant: string; drop: string | null; opens_at: string | null };
  /** No key, no version: the newest heard counts. */
  "viewers.set": { count: number };
  /** key "catalog": the list of products changed; read it again. */
  "catalog.set": { count: number };
}

export type EventType = keyof EventPayloads;

/** Things that are said once and may be left out when there are many; they are no part of the state. */
export interface SampledPayloads {
  "chat.line": ChatLine;
  /** Hearts since the last one of these. */
  hearts: { count: number };
}

export type SampledType = keyof SampledPayloads;

export interface ChatLine {
  id: string;
  subject: string;
  name: string;
  role: RoomRole;
  text: string;
  /** The server's clock, Unix ms. */
  at: number;
}
