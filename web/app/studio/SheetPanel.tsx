// The run sheet on the page: a list to walk with the arrows, P pins, N goes on to the next, figures set flash prices.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { clockText, serverNow, useServerNow } from "../shared/clock";
import { formatMoney } from "../shared/money";
import { dayAndTime } from "../shared/when";
import { Button, Skeleton } from "../shared/ui";
import type { Product } from "../shared/api";
import { EditIcon, PinIcon, PlusIcon } from "../shared/back/icons";
import { FlashFigures, FlashPanel } from "./FlashPanel";
import { PRESETS, runningOf } from "./flash";
import type { FlashDesk } from "./flashdesk";
import { useHotkeys } from "./hotkeys";
import { ProductForm } from "./ProductForm";
import { TakeOff } from "./TakeOff";
import { leftOf, type RunSheet } from "./sheet";

export function SheetPanel({ sheet, desk, mine, ended }: { sheet: RunSheet; desk: FlashDesk; /** The creator's account. */ mine: string; ended: boolean }): JSX.Element {
  const editing = useSignal<Product | "new" | null>(null);
  const flashing = useSignal<Product | null>(null);
  const { loading, products } = sheet;
  useHotkeys(
    {
      p: () => void sheet.togglePin(),
      n: () => void sheet.next(),
      arrowdown: () => sheet.move(1),
      arrowup: () => sheet.move(-1),
      ...Object.fromEntries(PRESETS.map((preset) => [preset.key, () => void desk.preset(preset)])),
      f: () => (flashing.value = desk.target),
      e: () => void desk.end(),
    },
    !ended,
    [sheet, desk],
  );
  return (
    <section class="st-card st-sheet" aria-labelledby="sheet-title">
      <header class="st-card__head">
        <h2 id="sheet-title">Run sheet</h2>
        {!ended && (
          <button type="button" class="st-iconbutton" aria-label="Add a product" title="Add a product" onClick={() => (editing.value = "new")}>
            <PlusIcon />
          </button>
        )}
      </header>
      {loading.value.state === "loading" && <RowsLoading />}
      {loading.value.state === "failed" && (
        <div class="st-empty" role="alert">
          <strong>The products did not load</strong>
          <p>{loading.value.words}</p>
          <Button onClick={() => void sheet.load()}>
            Try again
          </Button>
        </div>
      )}
      {loading.value.state === "ready" && products.value.length === 0 && (
        <div class="st-empty">
          <strong>Nothing to sell yet</strong>
          <p>Add what you will show, in the order you will show it.</p>
          {!ended && (
            <Button onClick={() => (editing.value = "new")}>
              Add a product
            </Button>
          )}
        </div>
      )}
      {products.value.length > 0 && (
        <ol class="st-rows">
          {products.value.map((product, index) => (
            <Row key={product.id} sheet={sheet} product={product} number={index + 1} mine={mine} ended={ended} onEdit={() => (editing.value = product)} />
          ))}
        </ol>
      )}
      {sheet.trouble.value && (
        <p class="st-trouble" role="alert">
          {sheet.trouble.value}
        </p>
      )}
      {!ended && products.value.length > 0 && (
        <>
          <p class="st-keys">
            <Key keys={["↑", "↓"]}>choose</Key> <Key keys={["P"]}>pin</Key> <Key keys={["N"]}>next</Key> <Key keys={["M"]}>mic</Key> <Key keys={["C"]}>camera</Key>
          </p>
          <FlashPanel desk={desk} form={flashing} />
          {sheet.selectedProduct.value && <TakeOff key={sheet.selectedProduct.value.id} sheet={sheet} product={sheet.selectedProduct.value} />}
        </>
      )}
      {editing.value && <ProductForm sheet={sheet} product={editing.value === "new" ? null : editing.value} onClose={() => (editing.value = null)} />}
    </section>
  );
}

function Key({ keys, children }: { keys: string[]; children: string }): JSX.Element {
  return (
    <span>
      {keys.map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}{" "}
      {children}
    </span>
  );
}

function Row(props: { sheet: RunSheet; product: Product; number: number; mine: string; ended: boolean; onEdit: () => void }): JSX.Element {
  const { sheet, product } = props;
  const row = useRef<HTMLLIElement>(null);
  const pinned = sheet.pinned.value === product.id;
  const selected = sheet.selected.value === product.id;
  const own = product.owner.id === props.mine;
  useEffect(() => {
    if (selected) row.current?.scrollIntoView({ block: "nearest" });
  }, [selected]);
  return (
    <li ref={row} class={`st-row${selected ? " st-row--on" : ""}${pinned ? " st-row--pinned" : ""}`}>
      <button type="button" class="st-row__pick" aria-pressed={selected} onClick={() => (sheet.selected.value = product.id)}>
        <span class="st-row__img">
          {product.image ? <img src={product.image} alt="" width="48" height="48" loading="lazy" /> : <span class="st-row__noimg" />}
          <span class="st-row__n num">{props.number}</span>
        </span>
        <span class="st-row__text">
          <span class="st-row__title">{product.title}</span>
          <RowFigures product={product} />
          {!own && <span class="st-row__meta">from {product.owner.name}</span>}
        </span>
      </button>
      {!props.ended && (
        <span class="st-row__do">
          {own && product.variants.length === 1 && (
            <button type="button" class="st-iconbutton" aria-label={`Edit ${product.title}`} title="Edit" onClick={props.onEdit}>
              <EditIcon />
            </button>
          )}
          {own && product.variants.length > 1 && (
            <a class="st-iconbutton" href="/brand" aria-label={`Edit ${product.title} and its variants`} title="Edit variants">
              <EditIcon />
            </a>
          )}
          <button
            type="button"
            class="st-pin"
            aria-pressed={pinned}
            aria-busy={sheet.pinning.value === product.id}
            disabled={sheet.pinning.value !== null}
            onClick={() => {
              sheet.selected.value = product.id;
              void sheet.pin(pinned ? null : product.id);
            }}
          >
            <PinIcon />
            <span>{pinned ? "Pinned" : "Pin"}</span>
            <span class="sr-only"> {product.title}</span>
          </button>
        </span>
      )}
    </li>
  );
}

/** Price, count, and what is about to change by the clock alone. */
function RowFigures({ product }: { product: Product }): JSX.Element {
  const opens = product.variants.flatMap(({ opens_at }) => (opens_at ? [Date.parse(opens_at)] : []));
  const waits = opens.length > 0 || product.variants.some(({ flash }) => flash);
  useServerNow(waits ? 250 : 0);
  const now = serverNow();
  const running = runningOf(product, now);
  const next = Math.min(...opens.filter((at) => at > now));
  const left = leftOf(product);
  const prices = product.variants.map(({ price }) => price).sort((a, b) => a.amount - b.amount);
  const [lowest, highest] = [prices[0], prices.at(-1)];
  return (
    <>
      <span class="st-row__meta num">
        {lowest && running?.phase !== "on" && `${lowest.amount === highest?.amount ? formatMoney(lowest) : `from ${formatMoney(lowest)}`} · `}
        <span class={left === 0 ? "st-out" : ""}>{left === 0 ? "sold out" : `${left} left`}</span>
      </span>
      {running && (
        <span class="st-row__flash num">
          <FlashFigures running={running} />
        </span>
      )}
      {Number.isFinite(next) && (
        <span class="st-row__meta num">
          Opens {next - now > 3_600_000 ? dayAndTime(new Date(next).toISOString(), now) : `in ${clockText(next - now)}`}
        </span>
      )}
    </>
  );
}

function RowsLoading(): JSX.Element {
  return (
    <div class="st-rows" aria-busy="true">
      <span class="sr-only">Loading the products</span>
      {[0, 1, 2].map((i) => (
        <Skeleton key={i} class="st-skeleton--row" />
      ))}
    </div>
  );
}
