// Who may come backstage, and the friendly way in for everybody else.

import type { ComponentChildren, JSX } from "preact";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ErrorState, LinkButton, Skeleton } from "../ui";
import * as api from "../api";
import type { Account, Me, Role } from "../api";

/** What is behind the gate, for whom, and what those in front of it read. */
export interface Door {
  role: Role;
  /** "The studio": begins a sentence. */
  place: string;
  guest: { title: string; text: string };
  other: { title: string; text: (account: Account) => string };
  join: string;
}

type State = { name: "loading" } | { name: "failed"; error: unknown } | { name: "ready"; me: Me };

export function Gate({ door, children }: { door: Door; children: (me: Me) => ComponentChildren }): JSX.Element {
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
  if (value.name === "loading")
    return (
      <main class="st-list" id="main" aria-busy="true" aria-label={`${door.place} is opening`}>
        <Skeleton class="st-skeleton--title" />
        <Skeleton class="st-skeleton--row" />
      </main>
    );
  if (value.name === "failed") {
    return (
      <main id="main">
        <ErrorState title={`${door.place} did not open`} error={value.error} onRetry={() => void load()} />
      </main>
    );
  }
  const { account } = value.me;
  if (account?.roles.includes(door.role)) return <>{children(value.me)}</>;
  const back = encodeURIComponent(location.pathname + location.search);
  const join = (tone: "primary" | "plain"): JSX.Element => (
    <LinkButton tone={tone} href={`/signup?role=${door.role}&next=${back}`}>
      {door.join}
    </LinkButton>
  );
  return account ? (
    <main class="st-lone" id="main">
      <h1>{door.other.title}</h1>
      <p>{door.other.text(account)}</p>
      <div class="st-actions">
        {join("primary")}
        <LinkButton href="/">Back to the shows</LinkButton>
      </div>
    </main>
  ) : (
    <main class="st-lone" id="main">
      <h1>{door.guest.title}</h1>
      <p>{door.guest.text}</p>
      <div class="st-actions">
        <LinkButton tone="primary" href={`/signin?next=${back}`}>
          Sign in
        </LinkButton>
        {join("plain")}
      </div>
    </main>
  );
}
