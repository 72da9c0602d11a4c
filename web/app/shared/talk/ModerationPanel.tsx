// The rules of a show's talk and who keeps them: slow mode, announcement, moderators, who is kept quiet or out, and what
// was done. For the studio's desk, and for moderators in a sheet over the watch page.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useDeadlines } from "../clock";
import { Button, Field, Select } from "../ui/controls";
import { Skeleton } from "../ui/states";
import { dayAndTime, timeOfDay } from "../when";
import { AuditSheet } from "./AuditSheet";
import { MAX_ANNOUNCEMENT, SLOW_CHOICES, type Moderation } from "./moderation";
import { spanWords, wordsFor } from "./words";
import "./moderation.css";

type PanelProps = { mod: Moderation; /** The show's creator, who alone names moderators. */ host: boolean };

export function ModerationPanel({ mod, host }: PanelProps) {
  const { talk } = mod;
  const [logged, log] = useState(false);
  const document = talk.document.value;
  const failure = talk.failure.value;
  return (
    <div class="mod">
      <Slow mod={mod} />
      <Announce mod={mod} />
      {!document && !failure && (
        <p aria-busy="true">
          <span class="sr-only">Loading who moderates</span>
          <Skeleton class="ask-skeleton" />
        </p>
      )}
      {!document && failure !== null && (
        <div role="alert">
          <p class="mod-trouble">{wordsFor(failure)}</p>
          <Button onClick={() => void talk.read()}>Try again</Button>
        </div>
      )}
      {document && (
        <>
          {host && <Moderators mod={mod} />}
          <KeptQuiet mod={mod} />
        </>
      )}
      <Button class="mod-log" onClick={() => log(true)}>
        Who did what
      </Button>
      {logged && <AuditSheet show={talk.show} onClose={() => log(false)} />}
    </div>
  );
}

function Slow({ mod }: { mod: Moderation }) {
  const now = mod.talk.slow.value;
  const [, redraw] = useState(0);
  const choices = [...new Set<number>([...SLOW_CHOICES, now])].sort((a, b) => a - b);
  return (
    <div>
      <Select
        label="Slow mode"
        value={String(now)}
        options={choices.map((seconds) => ({ value: String(seconds), label: seconds === 0 ? "Off" : `One line every ${spanWords(seconds)}` }))}
        disabled={mod.busy.value.has("slow")}
        onChange={(value) => {
          void mod.slow(Number(value));
          // What holds is shown, not what was picked: also when nothing was sent.
          redraw((n) => n + 1);
        }}
      />
      <Trouble mod={mod} at="slow" />
    </div>
  );
}

function Announce({ mod }: { mod: Moderation }) {
  const text = mod.drafts.announcement;
  const [fault, setFault] = useState<string | null>(null);
  const now = mod.talk.announced.value;
  const busy = mod.busy.value.has("announce");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const typed = text.peek();
    const length = [...typed.trim()].length;
    if (length === 0) return setFault("Write what all should read.");
    if (length > MAX_ANNOUNCEMENT) return setFault(`${length - MAX_ANNOUNCEMENT} too many: ${MAX_ANNOUNCEMENT} characters at most.`);
    // What was typed meanwhile stays.
    if ((await mod.announce(typed)) && text.peek() === typed) text.value = "";
  };
  return (
    <form class="mod-form" noValidate onSubmit={(event) => void submit(event)}>
      <Field
        label="Announcement above the chat"
        name="announcement"
        autocomplete="off"
        value={text.value}
        onInput={(value) => {
          text.value = value;
          setFault(null);
        }}
        hint={now ? `Now: “${now.text}”` : undefined}
        error={fault}
      />
      <div class="mod-acts">
        {now && (
          <Button tone="quiet" aria-disabled={busy} onClick={() => void mod.unannounce()}>
            Take it off
          </Button>
        )}
        <Button type="submit" busy={busy}>
          Announce
        </Button>
      </div>
      <Trouble mod={mod} at="announce" />
    </form>
  );
}

function Moderators({ mod }: { mod: Moderation }) {
  const { email } = mod.drafts;
  const [fault, setFault] = useState<string | null>(null);
  const list = mod.talk.document.value?.moderators ?? [];
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const typed = email.peek();
    if (!/^[^\s@]+@[^\s@]+$/.test(typed.trim())) return setFault("An e-mail address, like jo@example.com.");
    if ((await mod.invite(typed.trim())) && email.peek() === typed) email.value = "";
  };
  const trouble = mod.trouble.value;
  return (
    <section class="mod-part" aria-labelledby="mod-people">
      <h3 id="mod-people">Moderators</h3>
      <p class="mod-hint">They answer questions, open polls, delete lines and keep people out. They cannot sell or end the show.</p>
      <ul>
        {list.map((person) => (
          <Row key={person.subject} name={person.name} about={person.email} busy={mod.busy.value.has(person.email)} label="Remove" onDo={() => void mod.dismiss(person)} />
        ))}
      </ul>
      {list.map((person) => (
        <Trouble key={person.subject} mod={mod} at={person.email} />
      ))}
      <form class="mod-form" noValidate onSubmit={(event) => void submit(event)}>
        <Field
          label="E-mail of a moderator"
          type="email"
          name="moderator-email"
          autocomplete="off"
          value={email.value}
          onInput={(value) => {
            email.value = value;
            setFault(null);
          }}
          error={fault ?? (trouble?.at === "invite" ? trouble.words : null)}
        />
        <div class="mod-acts">
          <Button type="submit" busy={mod.busy.value.has("invite")}>
            Add
          </Button>
        </div>
      </form>
    </section>
  );
}

function KeptQuiet({ mod }: { mod: Moderation }) {
  const { timeouts = [], bans = [] } = mod.talk.document.value ?? {};
  const now = useDeadlines(timeouts.map(({ until }) => Date.parse(until)), false);
  const quiet = timeouts.filter(({ until }) => Date.parse(until) > now);
  return (
    <section class="mod-part" aria-labelledby="mod-quiet">
      <h3 id="mod-quiet">Timed out and banned</h3>
      {quiet.length + bans.length === 0 && <p class="mod-hint">Nobody.</p>}
      <ul>
        {quiet.map((person) => (
          <Row key={person.subject} name={person.name} about={`until ${timeOfDay(Date.parse(person.until))}`} busy={mod.busy.value.has(person.subject)} label="Let write" onDo={mod.mayLift(person) && (() => void mod.resume(person))} />
        ))}
        {bans.map((person) => (
          <Row
            key={`ban ${person.subject}`}
            name={person.name || "Somebody"}
            about={`banned${person.all_shows ? " from all shows" : ""} · ${dayAndTime(person.created_at, now)}${person.reason ? ` · ${person.reason}` : ""}`}
            busy={mod.busy.value.has(person.subject)}
            label="Let in"
            onDo={mod.mayLift(person) && (() => void mod.letIn(person))}
          />
        ))}
      </ul>
      {[...new Set([...quiet, ...bans].map(({ subject }) => subject))].map((subject) => (
        <Trouble key={subject} mod={mod} at={subject} />
      ))}
    </section>
  );
}

/** `onDo` false: it is somebody else's to do. */
function Row({ name, about, busy, label, onDo }: { name: string; about: ComponentChildren; busy: boolean; label: string; onDo: false | (() => void) }) {
  return (
    <li class="mod-row">
      <span>
        <strong>{name}</strong>
        <small class="num">{about}</small>
      </span>
      {onDo && (
        <Button tone="quiet" busy={busy} aria-label={`${label}: ${name}`} onClick={onDo}>
          {label}
        </Button>
      )}
    </li>
  );
}

export function Trouble({ mod, at }: { mod: Moderation; at: string }) {
  const trouble = mod.trouble.value;
  if (trouble?.at !== at) return null;
  return (
    <p class="mod-trouble" role="alert">
      {trouble.words}
    </p>
  );
}
