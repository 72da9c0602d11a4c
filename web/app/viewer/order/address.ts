import type { Order } from "../../shared/api";

/** `link` is the signature alone, or the whole address. */
export function orderAddress(order: Order): string {
  if (!order.link) return `/orders/${order.id}`;
  return /^(\/|https?:)/.test(order.link) ? order.link : `/orders/${order.id}?link=${encodeURIComponent(order.link)}`;
}
