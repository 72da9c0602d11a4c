// /studio: my shows, the live one first.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { serverNow } from "../shared/clock";
import { dayAndTime } from "../shared/when";
import { Banner, Button, Empty, ErrorState, LinkButton, LiveBadge, Skeleton } from "../shared/ui";
import * as api from "../shared/api";
import type { Me, Show } from "../shared/api";
import { PlusIcon } from "../shared/back/icons";
import { NewShow } from "./NewShow";
import { useOnline } from "../shared/back/online";

type State = { name: "loading" } | { name: "failed"; error: unknown } | { name: "ready"; shows: Show[] };

export function ListPage({ me }: { me: Me }): JSX.Element {
  const state = useSignal<State>({ name: "loading" });
  const making = useSignal(new URLSearchParams(location.search).has("new"));
  const online = useOnline();
  const load = async (): Promise<void> => {
    state.value = { name: "loading" };
    try {
      state.value = { name: "ready", shows: (await api.myShows()).shows };
    } catch (error) {
      state.value = { name: "failed", error };
    }
  };
  useEffect(() => void load(), []);

  const { value } = state;
  return (
    <main class="st-list" id="main">
      <header class="st-list__head">
        <h1>My shows</h1>
        {me.account?.roles.includes("brand") && <LinkButton href="/brand">My products</LinkButton>}
        <Button tone="primary" onClick={() => (making.value = true)}>
          <PlusIcon /> New show
        </Button>
      </header>
      {!online && (
        <Banner tone="warn">This device is offline. What you see may be old.</Banner>
      )}
      {value.name === "loading" && (
        <div aria-busy="true">
          <span class="sr-only">Loading your shows</span>
          <Skeleton class="st-skeleton--row" />
          <Skeleton class="st-skeleton--row" />
          <Skeleton class="st-skeleton--row" />
        </div>
      )}
      {value.name === "failed" && <ErrorState title="Your shows did not load" error={value.error} onRetry={() => void load()} />}
      {value.name === "ready" && value.shows.length === 0 && (
        <Empty
          title="Your stage is empty"
          action={
            <Button tone="primary" onClick={() => (making.value = true)}>
              Plan your first show
            </Button>
          }
        >
          Plan a show, add what you sell, and go live from this page. A camera and a working line are all it takes.
        </Empty>
      )}
      {value.name === "ready" && <Groups shows={value.shows} />}
      {making.value && <NewShow show={null} onClose={() => (making.value = false)} onSaved={(show) => location.assign(`/studio/${show.id}`)} />}
    </main>
  );
}

function Groups({ shows }: { shows: Show[] }): JSX.Element {
  const groups = group(shows);
  return (
    <>
      {groups.map(({ title, rows }) =>
        rows.length === 0 ? null : (
          <section key={title} aria-label={title}>
            <h2>{title}</h2>
            <ul class="st-shows">
              {rows.map((show) => (
                <li key={show.id}>
                  <a href={`/studio/${show.id}`} class="st-show">
                    <img src={show.poster ?? "/img/poster.svg"} alt="" loading="lazy" />
                    <span class="st-show__text">
                      <strong>{show.title}</strong>
                      <span class="num">{line(show)}</span>
                    </span>
                    {show.state === "live" && <LiveBadge />}
                  </a>
                </li>
              ))}
            </ul>
          </section>
        ),
      )}
    </>
  );
}

/** Live first, then what comes next soonest first, then what was, newest first. */
export function group(shows: readonly Show[]): { title: string; rows: Show[] }[] {
  const at = (iso: string | null): number => (iso ? Date.parse(iso) : 0);
  return [
    { title: "Live now", rows: shows.filter(({ state }) => state === "live") },
    { title: "Coming up", rows: shows.filter(({ state }) => state === "scheduled").sort((a, b) => at(a.starts_at) - at(b.starts_at)) },
    { title: "Ended", rows: shows.filter(({ state }) => state === "ended").sort((a, b) => at(b.ended_at) - at(a.ended_at)) },
  ];
}

function line(show: Show): string {
  if (show.state === "live") return show.on_air ? "On air" : "Open, no picture arrives";
  if (show.state === "ended") return show.ended_at ? `Ended · ${dayAndTime(show.ended_at, serverNow())}` : "Ended";
  return show.starts_at ? `Planned · ${dayAndTime(show.starts_at, serverNow())}` : "Not planned yet";
}
