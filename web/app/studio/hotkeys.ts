// Keys of the desk. They work anywhere on the page except where somebody types or a dialog is open.

import { useEffect } from "preact/hooks";

/** By the key in lower case ("p", "1", "arrowdown"). */
export type Hotkeys = Record<string, () => void>;

export function useHotkeys(keys: Hotkeys, on: boolean, owners: readonly unknown[]): void {
  useEffect(() => {
    if (!on) return;
    const press = (event: KeyboardEvent): void => {
      // A key that is held down repeats; nobody means to pin thirty products.
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing || busyElsewhere(event.target)) return;
      const run = keys[event.key.toLowerCase()];
      if (!run) return;
      run();
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [on, ...owners]);
}

function busyElsewhere(target: EventTarget | null): boolean {
  if (document.querySelector('dialog[open], [role="dialog"]')) return true;
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
