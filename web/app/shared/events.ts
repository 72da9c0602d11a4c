// Payloads of the events a show's room sends, as the commerce packages declare them. Keys and versions are realtime.ts's.

import type { ShowState } from "./api";

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
  /** key: variant id */
  "price.set": { variant: string; amount: number; currency: string };
  /** key: variant id */
  "stock.set": { variant: string; pool: string; left: number };
  /** key "catalog": the list of products changed; read it again. */
  "catalog.set": { count: number };
}

export type EventType = keyof EventPayloads;
