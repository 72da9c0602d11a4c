// The two halves of a brand's work: what is for sale, and what is sold.

import type { JSX } from "preact";

export function Tabs({ here }: { here: "shelf" | "orders" }): JSX.Element {
  return (
    <nav class="br-tabs" aria-label="Your brand">
      <a href="/brand" aria-current={here === "shelf" ? "page" : undefined}>
        Shows and products
      </a>
      <a href="/brand/orders" aria-current={here === "orders" ? "page" : undefined}>
        Orders
      </a>
    </nav>
  );
}
