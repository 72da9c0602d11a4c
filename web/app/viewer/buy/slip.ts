// What this tab has asked for and not yet finished, by variant: ids only, never a card. It survives a reload, so that the
// same hold and the same order are found again; it ends with the tab.

import type { Money } from "../../shared/money";

export interface Slip {
  /** Another person at the same tab must not meet this one's ids. */
  subject: string;
  hold: string;
  /** The price of one that was asked for. */
  unit?: Money;
  order?: string;
}

const key = (variant: string): string => `rialto.slip.${variant}`;

// Storage can be switched off; the page then remembers as long as it lives.
const memory = new Map<string, string>();

export function read(variant: string, subject: string): Slip | null {
  try {
    const found = JSON.parse(get(key(variant)) ?? "null") as Slip | null;
    return found && found.subject === subject ? found : null;
  } catch {
    return null;
  }
}

export function subjectOf(variant: string): string {
  try {
    return (JSON.parse(get(key(variant)) ?? "null") as Slip | null)?.subject ?? "";
  } catch {
    return "";
  }
}

export function write(variant: string, slip: Slip): void {
  const text = JSON.stringify(slip);
  memory.set(key(variant), text);
  try {
    sessionStorage.setItem(key(variant), text);
  } catch {
    // memory has it
  }
}

export function remove(variant: string): void {
  memory.delete(key(variant));
  try {
    sessionStorage.removeItem(key(variant));
  } catch {
    // memory is clean
  }
}

function get(name: string): string | null {
  const held = memory.get(name);
  if (held !== undefined) return held;
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}
