// What a page shows when it has nothing else to show yet, any more, or at all.

import type { ComponentChildren } from "preact";
import { Button } from "./controls";
import { ApiError } from "../http";
import "./states.css";

/** A grey shape of what is coming; hidden from screen readers, which hear the page's own "loading". */
export function Skeleton({ class: extra = "" }: { class?: string }) {
  return <span class={`skeleton ${extra}`} aria-hidden="true" />;
}

type BannerProps = { tone?: "info" | "warn" | "error" | "success"; code?: string; action?: ComponentChildren; children?: ComponentChildren };

/** One line that says what is and what comes next. Errors interrupt a screen reader, the rest wait for their turn. */
export function Banner({ tone = "info", code, action, children }: BannerProps) {
  return (
    <div class={`banner banner-${tone}`} role={tone === "error" ? "alert" : "status"}>
      <div class="banner-text">
        {children}
        {code && <span class="banner-code"> ({code})</span>}
      </div>
      {action}
    </div>
  );
}

type EmptyProps = { title: string; children?: ComponentChildren; action?: ComponentChildren; /** It is all there is on the page. */ whole?: boolean };

export function Empty({ title, children, action, whole = false }: EmptyProps) {
  const Heading = whole ? "h1" : "h2";
  return (
    <div class="blank">
      <Heading>{title}</Heading>
      {children && <p>{children}</p>}
      {action}
    </div>
  );
}

export function ErrorState({ error, onRetry, title, whole = false }: { error: unknown; onRetry?: () => void; title?: string; whole?: boolean }) {
  const Heading = whole ? "h1" : "h2";
  const known = error instanceof ApiError ? error : null;
  return (
    <div class="blank" role="alert">
      <Heading>{title ?? (known?.code === "offline" ? "You are offline" : "This did not load")}</Heading>
      <p>{known?.message ?? "Something on this page went wrong. Loading it again usually helps."}</p>
      {onRetry && (
        <Button tone="primary" onClick={onRetry}>
          Try again
        </Button>
      )}
      {known && known.status > 0 && <p class="blank-code">{known.code}</p>}
    </div>
  );
}

export function LiveBadge() {
  return <span class="live-badge">Live</span>;
}
