// The run sheet on the page: a list to walk with the arrows, P pins, N goes on to the next.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { formatMoney } from "../shared/money";
import { Button, Skeleton } from "../shared/ui";
import type { Product } from "../shared/api";
import { EditIcon, PinIcon, PlusIcon } from "./icons";
import { ProductForm } from "./ProductForm";
import { leftOf, type RunSheet } from "./sheet";

export function SheetPanel({ sheet, ended }: { sheet: RunSheet; ended: boolean }): JSX.Element {
  const editing = useSignal<Product | "new" | null>(null);
  const { loading, products } = sheet;
  useHotkeys(sheet, ended);
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
            <Row key={product.id} sheet={sheet} product={product} number={index + 1} ended={ended} onEdit={() => (editing.value = product)} />
          ))}
        </ol>
      )}
      {sheet.trouble.value && (
        <p class="st-trouble" role="alert">
          {sheet.trouble.value}
        </p>
      )}
      {!ended && products.value.length > 0 && (
        <p class="st-keys">
          <kbd>↑</kbd> <kbd>↓</kbd> choose <span /> <kbd>P</kbd> pin <span /> <kbd>N</kbd> next
        </p>
      )}
      {editing.value && <ProductForm sheet={sheet} product={editing.value === "new" ? null : editing.value} onClose={() => (editing.value = null)} />}
    </section>
  );
}

function Row(props: { sheet: RunSheet; product: Product; number: number; ended: boolean; onEdit: () => void }): JSX.Element {
  const { sheet, product } = props;
  const row = useRef<HTMLLIElement>(null);
  const pinned = sheet.pinned.value === product.id;
  const selected = sheet.selected.value === product.id;
  const left = leftOf(product);
  const price = product.variants[0]?.price;
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
          <span class="st-row__meta num">
            {price ? formatMoney(price) : ""} · <span class={left === 0 ? "st-out" : ""}>{left === 0 ? "sold out" : `${left} left`}</span>
          </span>
        </span>
      </button>
      {!props.ended && (
        <span class="st-row__do">
          <button type="button" class="st-iconbutton" aria-label={`Edit ${product.title}`} title="Edit" onClick={props.onEdit}>
            <EditIcon />
          </button>
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

/** Keys work anywhere on the page except where somebody types or a dialog is open. */
function useHotkeys(sheet: RunSheet, ended: boolean): void {
  useEffect(() => {
    if (ended) return;
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || busyElsewhere(event.target)) return;
      switch (event.key) {
        case "p":
        case "P":
          void sheet.togglePin();
          break;
        case "n":
        case "N":
          void sheet.next();
          break;
        case "ArrowDown":
          sheet.move(1);
          break;
        case "ArrowUp":
          sheet.move(-1);
          break;
        default:
          return;
      }
      event.preventDefault();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [sheet, ended]);
}

export function busyElsewhere(target: EventTarget | null): boolean {
  if (document.querySelector('dialog[open], [role="dialog"]')) return true;
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
