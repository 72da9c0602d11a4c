// One variant in one show: units with a way to set them, what is left of them, and its release.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { serverNow, useServerNow } from "../shared/clock";
import { formatMoney } from "../shared/money";
import { priceAt } from "../shared/price";
import { Button, Field } from "../shared/ui";
import { words } from "../shared/back/words";
import type { BrandProduct } from "../shared/api";
import { checkUnits } from "./draft";
import { releaseOf } from "./release";
import { ReleaseDialog } from "./ReleaseDialog";
import type { Stocked, Supply } from "./supply";

type Props = { supply: Supply; product: BrandProduct; variant: BrandProduct["variants"][number]; ended: boolean };

export function VariantRow({ supply, product, variant, ended }: Props): JSX.Element {
  const stocked = supply.stocked(variant.id);
  const name = variant.title || product.title;
  return (
    <li class="br-row" aria-label={name}>
      <div class="br-row__what">
        <strong>{name}</strong>
        <Price stocked={stocked} price={variant.price} />
      </div>
      <Counts stocked={stocked} />
      {!ended && <Units supply={supply} variant={variant.id} name={name} stocked={stocked} />}
      {stocked && <ReleaseLine supply={supply} variant={variant.id} name={name} fullName={variant.title ? `${product.title}, ${variant.title}` : product.title} stocked={stocked} ended={ended} />}
    </li>
  );
}

function Price({ stocked, price }: { stocked: Stocked | null; price: Props["variant"]["price"] }): JSX.Element {
  const flash = stocked?.flash ?? null;
  useServerNow(flash ? 500 : 0);
  const now = priceAt({ standing: price, flash, flashLeft: flash?.left ?? null, opensAt: null }, serverNow());
  if (!now.was) return <span class="num">{formatMoney(price)}</span>;
  return (
    <span class="num">
      <span class="sr-only">was </span>
      <s>{formatMoney(now.was)}</s> <span class="sr-only">now </span>
      <b>{formatMoney(now.unit)}</b> flash price
    </span>
  );
}

function Counts({ stocked }: { stocked: Stocked | null }): JSX.Element {
  if (!stocked || stocked.onHand === 0) return <p class="br-row__counts br-row__counts--none">No units in this show</p>;
  const taken = stocked.onHand - stocked.left;
  return (
    <dl class="br-row__counts">
      <div>
        <dt>Left</dt>
        <dd class={`num${stocked.left === 0 ? " st-out" : ""}`}>{stocked.left}</dd>
      </div>
      <div>
        <dt>Sold or held</dt>
        <dd class="num">{taken}</dd>
      </div>
      <div>
        <dt>In all</dt>
        <dd class="num">{stocked.onHand}</dd>
      </div>
    </dl>
  );
}

function Units({ supply, variant, name, stocked: known }: { supply: Supply; variant: string; name: string; stocked: Stocked | null }): JSX.Element {
  // Listed with no units is as good as not there yet.
  const stocked = known?.onHand ? known : null;
  const text = useSignal("");
  const busy = useSignal(false);
  const trouble = useSignal("");
  const said = useSignal("");
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value) return;
    said.value = "";
    const result = checkUnits(text.value);
    if ("complaint" in result) {
      trouble.value = result.complaint;
      return;
    }
    busy.value = true;
    trouble.value = "";
    try {
      await supply.stock(variant, result.units);
      said.value = `Saved: ${result.units.toLocaleString("en")} units.`;
      text.value = "";
    } catch (error) {
      trouble.value = `Not saved. ${words(error)}`;
    } finally {
      busy.value = false;
    }
  };
  return (
    <form class="br-units" noValidate onSubmit={(event) => void save(event)}>
      <Field
        label={stocked ? `New total of units` : "Units for this show"}
        aria-label={`${stocked ? "New total of units" : "Units for this show"}: ${name}`}
        inputMode="numeric"
        placeholder={stocked ? String(stocked.onHand) : "0"}
        value={text.value}
        onInput={(value) => {
          text.value = value;
          trouble.value = "";
        }}
        error={trouble.value || null}
      />
      <Button type="submit" busy={busy.value} aria-label={`${stocked ? "Set units" : "Put in the show"}: ${name}`}>
        {stocked ? "Set" : "Put in"}
      </Button>
      <p class="br-said" role="status">
        {said.value}
      </p>
    </form>
  );
}

type ReleaseProps = { supply: Supply; variant: string; name: string; fullName: string; stocked: Stocked; ended: boolean };

function ReleaseLine({ supply, variant, name, fullName, stocked, ended }: ReleaseProps): JSX.Element {
  useServerNow(stocked.opensAt ? 250 : 0);
  const planning = useSignal(false);
  const busy = useSignal(false);
  const trouble = useSignal("");
  const release = releaseOf(stocked.opensAt, serverNow());
  const openNow = async (): Promise<void> => {
    if (busy.value) return;
    busy.value = true;
    trouble.value = "";
    try {
      await supply.open(variant, null);
    } catch (error) {
      trouble.value = `Not opened. ${words(error)}`;
    } finally {
      busy.value = false;
    }
  };
  const joined = supply.room.phase.value === "joined";
  return (
    <div class={`br-release br-release--${release.state}`}>
      <p>
        {release.state === "waiting" ? (
          <>
            <strong class="num">
              Opens in <time role="timer">{release.in}</time>
            </strong>
            <span class="num">{release.when}, your time</span>
          </>
        ) : (
          <>
            <strong>{release.state === "open" ? "Open" : "No release planned"}</strong>
            <span class="num">{release.state === "open" ? `Since ${release.when}` : "It sells at once."}</span>
          </>
        )}
      </p>
      {!ended && release.state !== "open" && (
        <div class="br-release__do">
          <Button aria-disabled={!joined} aria-label={`${release.state === "waiting" ? "Change the release" : "Schedule a release"}: ${name}`} onClick={() => joined && (planning.value = true)}>
            {release.state === "waiting" ? "Change" : "Schedule a release"}
          </Button>
          {release.state === "waiting" && (
            <Button busy={busy.value} aria-disabled={!joined} aria-label={`Open now: ${name}`} onClick={() => joined && void openNow()}>
              Open now
            </Button>
          )}
        </div>
      )}
      {trouble.value && (
        <p class="st-trouble" role="alert">
          {trouble.value}
        </p>
      )}
      {planning.value && <ReleaseDialog supply={supply} variant={variant} name={fullName} planned={release.state === "waiting" ? release.at : null} onClose={() => (planning.value = false)} />}
    </div>
  );
}
