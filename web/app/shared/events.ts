// Payloads of the events a show's room sends, as the server describes them (api.gen.ts). Keys and versions are realtime.ts's.

import type { Schemas } from "./api.gen";

/** A price for a while: from starts_at until ends_at, for at most `cap` units (0: no cap). */
export type FlashPrice = Schemas["PriceFlashSet"];

/** The state of a room: one value for each type and key. Pages judge times by the server's clock. */
export type EventPayloads = Schemas["RoomEvents"];
export type EventType = keyof EventPayloads;

/** Things that are said once and may be left out when there are many; they are no part of the state. */
export type SampledPayloads = Schemas["RoomSamples"];
export type SampledType = keyof SampledPayloads;

export type ChatLine = SampledPayloads["chat.line"];
/** What a person is in a show; hosts run it, buyers have paid for something in it. */
export type RoomRole = ChatLine["role"];
