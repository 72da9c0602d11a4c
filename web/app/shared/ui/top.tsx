import type { ComponentChildren } from "preact";
import "./top.css";

/** The bar above a page that is not a show: past it to the page, home, and what the page adds. */
export function Top({ children }: { children?: ComponentChildren }) {
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <a class="top-home" href="/">
          <img src="/img/logo.svg" alt="" width="32" height="32" />
          Rialto
        </a>
        {children}
      </header>
    </>
  );
}
