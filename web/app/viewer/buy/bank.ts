// The bank's page, in a window of its own beside the show. That window comes back to the order's page, which closes it if
// it was opened from here: the receipt stands in the sheet already.

import type { Order } from "../../shared/api";

const KEY = "rialto.bank";
const LOOK = "popup,width=480,height=720";

/** Opens it if the browser allows: in a tap it does. */
export function openBank(order: string, page: string): boolean {
  try {
    localStorage.setItem(KEY, order);
  } catch {
    // The window then stays open, and its page leads back to the show.
  }
  return window.open(page, "_blank", LOOK) !== null;
}

/** Whether the tap is still warm: without one a browser holds the window back, and says so in its bar. */
export const mayOpenByItself = (): boolean => navigator.userActivation?.isActive === true;

/** Whether this order's bank page was opened by a sheet of this browser. */
export function openedBySheet(order: string): boolean {
  try {
    return localStorage.getItem(KEY) === order;
  } catch {
    return false;
  }
}

/** Closes this window once; later visits to the order's page stay. */
export function closeForSheet(order: string): void {
  if (!openedBySheet(order)) return;
  try {
    localStorage.removeItem(KEY);
  } catch {
    return;
  }
  window.close();
}

/** Where the bank asks, if it waits for the buyer. Only an address that a browser opens as a page. */
export function bankPage(order: Order): string | null {
  if (order.payment.state !== "requires_action" || !order.payment.action_url) return null;
  try {
    const url = new URL(order.payment.action_url, location.href);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}
