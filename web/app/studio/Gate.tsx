// Who may enter the studio, and the friendly way in for everybody else.

import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ErrorState, LinkButton, Skeleton } from "../shared/ui";
import * as api from "../shared/api";
import type { Me } from "../shared/api";

type State = { name: "loading" } | { name: "failed"; error: unknown } | { name: "ready"; me: Me };

export function Gate({ children }: { children: (me: Me) => ComponentChildren }): JSX.Element {
  const state = useSignal<State>({ name: "loading" });
  const load = async (): Promise<void> => {
    state.value = { name: "loading" };
    try {
      state.value = { name: "ready", me: await api.getMe() };
    } catch (error) {
      state.value = { name: "failed", error };
    }
  };
  useEffect(() => void load(), []);

  const { value } = state;
  if (value.name === "loading") return (
      <main class="st-list" id="main" aria-busy="true" aria-label="Opening the studio">
        <Skeleton class="st-skeleton--title" />
        <Skeleton class="st-skeleton--row" />
      </main>
    );
  if (value.name === "failed") {
    return (
      <main id="main">
        <ErrorState title="The studio did not open" error={value.error} onRetry={() => void load()} />
      </main>
    );
  }
  const { account } = value.me;
  if (account?.roles.includes("creator")) return <>{children(value.me)}</>;
  const back = encodeURIComponent(location.pathname + location.search);
  return account ? (
    <main class="st-lone" id="main">
      <h1>The studio is for creators</h1>
      <p>You are signed in as {account.name}, who watches and buys. To run shows of your own, sign up as a creator with another e-mail address.</p>
      <div class="st-actions">
        <LinkButton tone="primary" href={`/signup?role=creator&next=${back}`}>
          Become a creator
        </LinkButton>
        <LinkButton href="/">Back to the shows</LinkButton>
      </div>
    </main>
  ) : (
    <main class="st-lone" id="main">
      <h1>Your stage is one sign-in away</h1>
      <p>Go live from this browser or from OBS, pin what you sell, and watch it go.</p>
      <div class="st-actions">
        <LinkButton tone="primary" href={`/signin?next=${back}`}>
          Sign in
        </LinkButton>
        <LinkButton href={`/signup?role=creator&next=${back}`}>Become a creator</LinkButton>
      </div>
    </main>
  );
}
