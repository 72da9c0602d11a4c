// Addresses of the viewer's document. Links inside it change the page without loading it again; all others load.

import { signal, type Signal } from "@preact/signals";

export type Route =
  | { page: "home" }
  | { page: "watch"; show: string }
  | { page: "ledger"; show: string; variant: string | null }
  | { page: "order"; order: string; link: string | null }
  | { page: "signin" }
  | { page: "signup" }
  | { page: "account" }
  | { page: "forgot" }
  | { page: "reset" }
  | { page: "missing" };

/** Must name the same paths as site.page in web/embed.go. */
export function parse(path: string, query: string): Route {
  const [, first = "", second = "", third, fourth] = path.split("/");
  if (first === "s" && second !== "" && third === "ledger" && fourth === undefined)
    return { page: "ledger", show: decoded(second), variant: new URLSearchParams(query).get("variant") };
  if (third !== undefined) return { page: "missing" };
  if (second === "") {
    switch (first) {
      case "":
        return { page: "home" };
      case "signin":
      case "signup":
      case "account":
      case "forgot":
      case "reset":
        return { page: first };
    }
    return { page: "missing" };
  }
  if (first === "s") return { page: "watch", show: decoded(second) };
  if (first === "orders") return { page: "order", order: decoded(second), link: new URLSearchParams(query).get("link") };
  return { page: "missing" };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A broken escape names nothing that exists; the server says so.
  }
}

const here = (): Route => parse(location.pathname, location.search);

export const route: Signal<Route> = signal(here());

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  route.value = here();
  scrollTo(0, 0);
}

/** Where to go after signing in: an address of ours, whatever the query says. */
export function nextPage(fallback: string): string {
  const next = new URLSearchParams(location.search).get("next") ?? "";
  return /^\/(?![/\\])/.test(next) ? next : fallback;
}

/** Leaves the page's document when the address belongs to another (the studio). */
export function goAnywhere(to: string): void {
  const url = new URL(to, location.origin);
  if (url.origin === location.origin && parse(url.pathname, url.search).page !== "missing") go(to, true);
  else location.assign(to);
}

export function followLinks(): void {
  addEventListener("popstate", () => (route.value = here()));
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (parse(link.pathname, link.search).page === "missing") return;
    // An address on this page (skip links) is the browser's business.
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    go(link.pathname + link.search + link.hash);
  });
}
