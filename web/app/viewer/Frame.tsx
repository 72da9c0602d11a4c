import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { me } from "../shared/session";
import { Top } from "../shared/ui/top";

type FrameProps = { title: string; narrow?: boolean; children: ComponentChildren };

/** Header and main part of a page that is not the show itself. */
export function Frame({ title, narrow = false, children }: FrameProps) {
  useTitle(title);
  const account = me.value?.account;
  return (
    <>
      <Top>
        <nav aria-label="You">
          {account?.roles.includes("creator") && (
            <a class="top-link" href="/studio">
              Studio
            </a>
          )}
          {account ? (
            <a class="top-link" href="/account">
              <span>{account.name}</span>
            </a>
          ) : (
            <a class="top-link" href="/signin">
              Sign in
            </a>
          )}
        </nav>
      </Top>
      <main id="main" class={narrow ? "main main-narrow" : "main"} tabIndex={-1}>
        {children}
      </main>
      {me.value?.mailbox && (
        <footer class={narrow ? "foot main-narrow" : "foot"}>
          Rialto is being tried out here: no mail leaves it. <a href="/mailbox">Read the mails</a>
        </footer>
      )}
    </>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title ? `${title} · Rialto` : "Rialto: live shopping";
  }, [title]);
}
