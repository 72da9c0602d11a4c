// /mailbox: where a program that is tried out keeps its mails instead of sending them. /mailbox/{id} reads one.

import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { JSX } from "preact";
import "../shared/base.css";
import { BackIcon, Banner, Empty, ErrorState, Skeleton, Top } from "../shared/ui";
import { serverNow } from "../shared/clock";
import { dayAndTime } from "../shared/when";
import { useOnline } from "../shared/back/online";
import type { MailHead } from "../shared/api";
import { Letter } from "./Letter";
import { Mails } from "./mails";
import "./mailbox.css";

const opened = signal(idOf(location.pathname));
addEventListener("popstate", () => (opened.value = idOf(location.pathname)));

function idOf(path: string): string | null {
  const part = /^\/mailbox\/([^/]+)$/.exec(path)?.[1];
  if (!part) return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A broken escape names nothing that exists; the server says so.
  }
}

/** Links of this page change it; with a key held they do what the browser does with links. */
function follow(event: MouseEvent, id: string | null): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, "", id === null ? "/mailbox" : `/mailbox/${encodeURIComponent(id)}`);
  opened.value = id;
}

function Mailbox(): JSX.Element {
  const mails = useMemo(() => new Mails(), []);
  const online = useOnline();
  useEffect(() => {
    mails.start();
    return () => mails.close();
  }, [mails]);
  const id = opened.value;
  useEffect(() => void mails.open(id), [mails, id]);
  const reading = mails.reading.value;
  const subject = reading.state === "ready" ? reading.mail.subject : "";
  useEffect(() => {
    document.title = `${subject ? `${subject} · ` : ""}Mailbox · Rialto`;
  }, [subject]);

  return (
    <>
      <Top />
      <main id="main" class={id === null ? "mb" : "mb mb--reading"}>
        <h1>Mailbox</h1>
        <section class="mb-list" aria-label="Mails">
          <p class="mb-quiet">While Rialto is tried out no mail leaves it. What it would have sent is here, whoever it is for.</p>
          {!online && <Banner tone="warn">This device is offline. New mails appear when the line is back.</Banner>}
          {online && mails.error.value != null && mails.list.value && <Banner tone="warn">The server does not answer. New mails may be missing here.</Banner>}
          <p class="sr-only" role="status">
            {mails.said.value}
          </p>
          <Heads mails={mails} id={id} />
        </section>
        <section class="mb-mail" aria-label="The mail">
          <a class="mb-back" href="/mailbox" onClick={(event) => follow(event, null)}>
            <BackIcon /> All mails
          </a>
          {reading.state === "none" && mails.list.value?.length !== 0 && <p class="mb-choose">Choose a mail to read it.</p>}
          {reading.state === "loading" && (
            <div aria-busy="true">
              <span class="sr-only">Loading the mail</span>
              <Skeleton class="mb-wait" />
            </div>
          )}
          {reading.state === "gone" && <Empty title="This mail is not here">It may have been of an earlier run, or the link is incomplete.</Empty>}
          {reading.state === "failed" && <ErrorState title="The mail did not load" error={reading.error} onRetry={() => void mails.open(id)} />}
          {reading.state === "ready" && <Letter key={reading.mail.id} mail={reading.mail} />}
        </section>
      </main>
    </>
  );
}

function Heads({ mails, id }: { mails: Mails; id: string | null }): JSX.Element {
  const list = mails.list.value;
  if (!list && mails.error.value != null) return <ErrorState title="The mails did not load" error={mails.error.value} onRetry={() => mails.again()} />;
  if (!list)
    return (
      <div aria-busy="true">
        <span class="sr-only">Loading the mails</span>
        <Skeleton class="mb-wait" />
      </div>
    );
  if (list.length === 0) return <Empty title="No mail yet">Buy something, or ask for a new password: the mail appears here by itself.</Empty>;
  return (
    <ul class="mb-heads">
      {list.map((head) => (
        <Head key={head.id} head={head} open={head.id === id} />
      ))}
    </ul>
  );
}

function Head({ head, open }: { head: MailHead; open: boolean }): JSX.Element {
  return (
    <li>
      <a href={`/mailbox/${encodeURIComponent(head.id)}`} aria-current={open ? "true" : undefined} onClick={(event) => follow(event, head.id)}>
        <strong>{head.subject}</strong>
        <span>to {head.to}</span>
        <time class="num" dateTime={head.sent_at}>
          {dayAndTime(head.sent_at, serverNow())}
        </time>
      </a>
    </li>
  );
}

const root = document.getElementById("page");
if (root) render(<Mailbox />, root);
