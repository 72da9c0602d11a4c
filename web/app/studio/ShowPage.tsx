// /studio/{show}: before, during and after one show.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { BackIcon, Button, ErrorState, LinkButton, Skeleton } from "../shared/ui";
import * as api from "../shared/api";
import { ApiError, type Me, type Show } from "../shared/api";
import { Checks } from "./Checks";
import { Controls, MeterBar, Pickers } from "./Controls";
import { NewShow } from "./NewShow";
import { Notices } from "./Notices";
import { Copy, ObsCard } from "./ObsCard";
import { LineDetails, Preview } from "./Preview";
import { followRoom } from "./room";
import { ChatLog } from "../shared/chat";
import { Room } from "../shared/realtime";
import { Moderation } from "../shared/talk/moderation";
import { Talk } from "../shared/talk/talk";
import { SalesBoard } from "./sales";
import { Orders, SalesNumbers } from "./SalesPanel";
import { RunSheet } from "./sheet";
import { SheetPanel } from "./SheetPanel";
import { BrandsCard } from "./BrandsCard";
import { ChatCard, RulesCard } from "./ChatCard";
import { FlashDesk } from "./flashdesk";
import { useHotkeys } from "./hotkeys";
import { chosenQuality, Stage } from "./stage";
import { serverNow } from "../shared/clock";
import { dayAndTime } from "../shared/when";

type Found = { state: "loading" } | { state: "ready"; show: Show } | { state: "missing" } | { state: "foreign" } | { state: "failed"; error: unknown };

/** No such show, or a link that is no show id at all. */
const MISSING = new Set([400, 404, 422]);

export function ShowPage({ id, me }: { id: string; me: Me }): JSX.Element {
  const found = useSignal<Found>({ state: "loading" });
  const load = async (): Promise<void> => {
    found.value = { state: "loading" };
    try {
      const show = await api.getShow(id);
      found.value = show.creator.id === me.account?.id ? { state: "ready", show } : { state: "foreign" };
    } catch (error) {
      found.value = error instanceof ApiError && MISSING.has(error.status) ? { state: "missing" } : { state: "failed", error };
    }
  };
  useEffect(() => void load(), [id]);

  const { value } = found;
  if (value.state === "ready") return <Desk key={id} first={value.show} me={me} />;
  if (value.state === "loading") return <DeskLoading />;
  if (value.state === "failed") {
    return (
      <main id="main">
        <ErrorState title="The show did not load" error={value.error} onRetry={() => void load()} />
      </main>
    );
  }
  const foreign = value.state === "foreign";
  return (
    <main class="st-lone" id="main">
      <h1>{foreign ? "This is somebody else’s show" : "This show does not exist"}</h1>
      <p>{foreign ? "You can watch it, but only its creator can run it." : "The link may be incomplete."}</p>
      <div class="st-actions">
        <LinkButton tone="primary" href="/studio">
          My shows
        </LinkButton>
        {foreign && <LinkButton href={`/s/${id}`}>Watch it</LinkButton>}
      </div>
    </main>
  );
}

function Desk({ first, me }: { first: Show; me: Me }): JSX.Element {
  const model = useMemo(() => {
    const stage = new Stage(first, chosenQuality(location.search));
    const sheet = new RunSheet(first.id, () => stage.moment());
    const room = new Room(first.id);
    const chat = new ChatLog(room, () => (me.account ? { subject: me.subject, name: me.account.name } : null));
    chat.orders.value = true;
    const mod = new Moderation(new Talk(first.id, room, () => first.creator.id, () => me));
    return { stage, sheet, room, chat, mod, desk: new FlashDesk(first.id, sheet), board: new SalesBoard(first.id) };
  }, [first.id]);
  const { stage, sheet, room, chat, mod, desk, board } = model;

  useEffect(() => {
    if (first.state !== "ended") void stage.open();
    void sheet.load();
    board.stale();
    const leave = followRoom(room, stage, sheet, board);
    return () => {
      leave();
      chat.close();
      mod.talk.close();
      board.close();
      stage.close();
    };
  }, [model]);
  const { capture } = stage;
  useHotkeys({ m: () => capture.setMuted(!capture.muted.value), c: () => capture.toggleCamera() }, true, [stage]);

  const show = stage.show.value;
  useEffect(() => {
    document.title = `${show.title} · Studio · Rialto`;
  }, [show.title]);
  const ended = stage.ended.value;
  return (
    <main class="st-desk" id="main">
      <Head show={show} stage={stage} ended={ended} />
      <Notices stage={stage} />
      <div class="st-columns">
        <div class="st-col st-col--stage">
          {ended ? <Ended show={show} /> : <OnStage stage={stage} />}
          <SalesNumbers board={board} sheet={sheet} />
          <Orders board={board} />
        </div>
        <div class="st-col st-col--sheet">
          <SheetPanel sheet={sheet} desk={desk} mine={first.creator.id} ended={ended} />
        </div>
        <div class="st-col st-col--side">
          {!ended && !stage.wanted.value && <Checks stage={stage} />}
          <ChatCard log={chat} room={room} mod={mod} ended={ended} />
          {!ended && <RulesCard mod={mod} />}
          {!ended && <BrandsCard show={show.id} />}
          {!ended && <Share id={show.id} />}
          {!ended && <ObsCard show={show.id} />}
        </div>
      </div>
    </main>
  );
}

function Head({ show, stage, ended }: { show: Show; stage: Stage; ended: boolean }): JSX.Element {
  const editing = useSignal(false);
  return (
    <header class="st-head">
      <a class="st-iconbutton" href="/studio" aria-label="My shows" title="My shows">
        <BackIcon />
      </a>
      <div>
        <h1>{show.title}</h1>
        <p>
          {ended
            ? `Ended${show.ended_at ? ` · ${dayAndTime(show.ended_at, serverNow())}` : ""}`
            : show.state === "live"
              ? "Open to viewers"
              : show.starts_at
                ? `Planned · ${dayAndTime(show.starts_at, serverNow())}`
                : "Not planned yet"}
        </p>
      </div>
      {!ended && (
        <Button onClick={() => (editing.value = true)}>
          Edit
        </Button>
      )}
      {editing.value && (
        <NewShow
          show={show}
          onClose={() => (editing.value = false)}
          onSaved={(saved) => {
            stage.show.value = saved;
            editing.value = false;
          }}
        />
      )}
    </header>
  );
}

function OnStage({ stage }: { stage: Stage }): JSX.Element {
  const live = stage.wanted.value;
  return (
    <section class={live ? "st-stage st-stage--live" : "st-stage"} aria-label="Picture and sound">
      <Preview stage={stage} />
      <Controls stage={stage} />
      {live && (
        <>
          <MeterBar stage={stage} />
          <details class="st-more">
            <summary>Devices and line</summary>
            <Pickers stage={stage} />
            <LineDetails stage={stage} />
          </details>
        </>
      )}
    </section>
  );
}

function Ended({ show }: { show: Show }): JSX.Element {
  return (
    <section class="st-ended">
      <h2>The show is over</h2>
      <p>“{show.title}” has ended for everybody. The numbers below are final once the last payments are through.</p>
      <div class="st-actions">
        <LinkButton href="/studio">My shows</LinkButton>
      </div>
    </section>
  );
}

function Share({ id }: { id: string }): JSX.Element {
  return (
    <section class="st-card" aria-labelledby="share-title">
      <h2 id="share-title">Invite viewers</h2>
      <Copy label="Link to the show" text={new URL(`/s/${id}`, location.href).href} />
    </section>
  );
}

function DeskLoading(): JSX.Element {
  return (
    <main class="st-desk" id="main" aria-busy="true" aria-label="Loading the show">
      <Skeleton class="st-skeleton--title" />
      <div class="st-columns">
        <div class="st-col st-col--stage">
          <Skeleton class="st-skeleton--video" />
        </div>
        <div class="st-col st-col--sheet">
          <Skeleton class="st-skeleton--row" />
          <Skeleton class="st-skeleton--row" />
        </div>
        <div class="st-col st-col--side">
          <Skeleton class="st-skeleton--row" />
        </div>
      </div>
    </main>
  );
}
