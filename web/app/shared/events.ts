// Payloads of the events a show's room sends, as the server describes them (api.gen.ts). Keys and versions are realtime.ts's.

import type { Schemas } from "./api.gen";

/** A price for a while: from starts_at until ends_at, for at most `cap` units (0: no cap). */
export interface FlashPrice {
  id: string;
  amount: number;
  starts_at: string;
  ends_at: string;
  cap: number;
}

type Said = Omit<Schemas["RoomEvents"], "price.set" | "stock.set"> & {
  /** key: variant id. `amount` is the standing price; the page judges by the server's clock whether the flash price holds. */
  "price.set": { variant: string; amount: number; currency: string; flash: FlashPrice | null };
  /** key: variant id. `flash_left` is null when the flash price has no cap, or there is none. */
  "stock.set": { variant: string; pool: string; left: number; flash_left: number | null };
};

/** The state of a room: one value for each type and key. Pages judge times by the server's clock. */
export type EventPayloads = Said;
export type EventType = keyof EventPayloads;

/** Things that are said once and may be left out when there are many; they are no part of the state. */
export type SampledPayloads = Schemas["RoomSamples"];
export type SampledType = keyof SampledPayloads;

export type ChatLine = SampledPayloads["chat.line"];
/** What a person is in a show; hosts run it, buyers have paid for something in it. */
export type RoomRole = ChatLine["role"];
