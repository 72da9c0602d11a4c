// Ids are made by whoever makes the thing. The page makes the id of its hold or order once and repeats it until it is
// answered, so that a lost answer can never become a second purchase.

import { serverNow } from "./clock";

export type Prefix = "acc" | "shw" | "prd" | "var" | "hld" | "ord" | "fls" | "drp" | "que" | "pll";

/** A new id: prefix and 32 hex digits of a UUID version 7. */
export function newId(prefix: Prefix): string {
  return `${prefix}_${newKey()}`;
}

/** 32 hex digits that nothing else has: for requests whose id the server chooses. Needs no secure context, unlike crypto.randomUUID. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let time = Math.max(0, Math.floor(serverNow()));
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

export function isId(prefix: Prefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length + 1));
}
