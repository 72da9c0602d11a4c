// Focus that stays while a list changes under it.

import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/**
 * Keeps the focus in a list whose rows (its `li`) move or go: a row that moved keeps it, and when a row is gone the one that
 * took its place gets it, on its first control; the list itself when there is none. To be called in each drawing.
 */
export function useKeptFocus(list: RefObject<HTMLElement | null>): void {
  const element = list.current;
  const focused = document.activeElement;
  const held = element && focused instanceof HTMLElement && element.contains(focused) && focused !== element ? focused : null;
  const row = held?.closest("li") ?? null;
  const place = row && element ? [...element.querySelectorAll("li")].indexOf(row) : -1;
  useLayoutEffect(() => {
    if (!held || (document.activeElement !== null && document.activeElement !== document.body)) return;
    if (held.isConnected) return held.focus({ preventScroll: true });
    const rows = [...(list.current?.querySelectorAll("li") ?? [])];
    const next = rows[Math.min(Math.max(place, 0), rows.length - 1)];
    (next?.querySelector<HTMLElement>("button, input, a") ?? list.current)?.focus({ preventScroll: true });
  });
}
