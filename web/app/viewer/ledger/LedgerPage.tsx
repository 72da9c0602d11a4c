// /s/{show}/ledger: where every unit of a show is, and how anybody can check it.

import { useState } from "preact/hooks";
import type { Ledger, LedgerRow } from "../../shared/api";
import { ApiError } from "../../shared/http";
import { fullTime } from "../../shared/when";
import { Button, LinkButton, Select } from "../../shared/ui/controls";
import { Banner, Empty, ErrorState, Skeleton } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { ledgerFile, useLedger, useLedgers } from "./ledger";
import { short, unitsOf, whatHappened } from "./words";
import "./ledger.css";

type LedgerProps = { route: { show: string; variant: string | null } };

export default function LedgerPage({ route: { show, variant: wanted } }: LedgerProps) {
  const { ledgers, failed, again } = useLedgers(show);
  const [picked, pick] = useState(wanted);
  const chosen = ledgers?.find(({ variant }) => variant === picked) ?? ledgers?.[0];
  const unknown = failed instanceof ApiError && (failed.status === 404 || failed.status === 422);
  if (unknown)
    return (
      <Frame title="Show not found">
        <Empty whole title="There is no show here" action={<LinkButton tone="primary" href="/">See what is live</LinkButton>}>
          The link may be incomplete, or the show was taken down.
        </Empty>
      </Frame>
    );
  const choose = (variant: string): void => {
    pick(variant);
    history.replaceState(history.state, "", `/s/${show}/ledger?variant=${encodeURIComponent(variant)}`);
  };
  return (
    <Frame title="Public stock ledger">
      <div class="stack ledger">
        <div>
          <h1>Public stock ledger</h1>
          <p class="lead">Where every unit of this show is, and each step that brought it there. Each step is sealed with the one before it, so one that is changed or left out later shows. Buyers are not named.</p>
          <p>
            <a class="ledger-back" href={`/s/${show}`}>
              Back to the show
            </a>
          </p>
        </div>
        {failed ? (
          <ErrorState error={failed} onRetry={again} />
        ) : !ledgers ? (
          <Loading />
        ) : !chosen ? (
          <Empty title="Nothing is sold here yet">As soon as the seller sets units aside for this show, their ledger begins.</Empty>
        ) : (
          <>
            {ledgers.length > 1 && (
              <Select label="Product" value={chosen.variant} options={ledgers.map((each) => ({ value: each.variant, label: nameOf(each) }))} onChange={choose} />
            )}
            <Account key={chosen.variant} show={show} first={chosen} />
          </>
        )}
      </div>
    </Frame>
  );
}

const nameOf = ({ product, title, variant }: Ledger): string => [product, title].filter(Boolean).join(", ") || variant;

function Loading() {
  return (
    <div class="stack" role="status">
      <span class="sr-only">Loading the ledger</span>
      <Skeleton class="ledger-wait" />
      <Skeleton class="ledger-wait" />
    </div>
  );
}

function Account({ show, first }: { show: string; first: Ledger }) {
  const { known, failed, again, older, readOlder } = useLedger(show, first.variant);
  if (!known) return failed ? <ErrorState error={failed} onRetry={again} /> : <Loading />;
  const { ledger, rows } = known;
  return (
    <>
      {failed instanceof ApiError && (
        <Banner tone="warn">{failed.code === "offline" ? "You are offline. This is what we knew last." : "The server cannot be reached. This is what we knew last."}</Banner>
      )}
      <section class="panel" aria-labelledby="sum-title">
        <h2 id="sum-title">{nameOf(ledger)}</h2>
        <Equation ledger={ledger} />
        {ledger.paying > 0 && <p class="lead">Of those held, {unitsOf(ledger.paying)} {ledger.paying === 1 ? "is" : "are"} being paid right now.</p>}
      </section>
      <Proof show={show} ledger={ledger} />
      <section class="ledger-part" aria-labelledby="rows-title">
        <h2 id="rows-title">Every step, the newest first</h2>
        {rows.length === 0 ? (
          <p class="lead">No unit has moved yet. A step stands here about a second after it happened.</p>
        ) : (
          <ol class="ledger-rows">
            {rows.map((row) => (
              <Step key={row.n} row={row} />
            ))}
          </ol>
        )}
        {older === "failed" && (
          <Banner tone="error" action={<Button onClick={readOlder}>Try again</Button>}>
            The older steps did not load.
          </Banner>
        )}
        {(older === "more" || older === "busy") && (
          <Button busy={older === "busy"} onClick={readOlder}>
            Show older steps
          </Button>
        )}
      </section>
    </>
  );
}

/** Read aloud it is a sentence: "100 allocated = 37 available + 2 held + 61 sold". */
function Equation({ ledger }: { ledger: Ledger }) {
  const parts: [string, number, string][] = [
    ["", ledger.allocated, "allocated"],
    ["=", ledger.available, "available"],
    ["+", ledger.held, "held"],
    ["+", ledger.sold, "sold"],
  ];
  return (
    <p class="ledger-sum num">
      {parts.map(([sign, units, name]) => (
        <span key={name}>
          {sign && <span class="ledger-sign">{sign} </span>}
          <span class="ledger-term">
            <strong>{units.toLocaleString()}</strong> <span>{name}</span>
          </span>{" "}
        </span>
      ))}
    </p>
  );
}

function Proof({ show, ledger }: { show: string; ledger: Ledger }) {
  return (
    <section class="panel" aria-labelledby="proof-title">
      <h2 id="proof-title">Check it yourself</h2>
      <p>
        Save the ledger and run <code>rialto verify --chain FILE</code>: without this site or a line to it, it works out every hash and every sum, and ends with the hash below.
      </p>
      <dl class="ledger-proof">
        <dt>Steps</dt>
        <dd class="num">{ledger.n.toLocaleString()}</dd>
        <dt>Last hash</dt>
        <dd>
          <code>{ledger.n === 0 ? "There is none yet" : ledger.hash}</code>
        </dd>
      </dl>
      <div class="panel-doors">
        <LinkButton href={ledgerFile(show, ledger.variant)} download>
          Save the ledger
        </LinkButton>
      </div>
    </section>
  );
}

function Step({ row }: { row: LedgerRow }) {
  return (
    <li class="ledger-row">
      <span class="ledger-n num">
        <span class="sr-only">Step </span>
        {row.n}
      </span>
      <span class="ledger-what">
        <strong>{whatHappened(row)}</strong>
        <span class="lead num">
          {unitsOf(row.units)} · <time dateTime={row.at}>{fullTime(row.at)}</time>
        </span>
      </span>
      <code class="ledger-hash">
        <span class="sr-only">Hash begins with </span>
        {short(row.hash)}
      </code>
    </li>
  );
}
