// Flash prices under the run sheet: three presets on keys, a form for the rest, and the way back, one key away.

import type { JSX } from "preact";
import { clockText, serverNow, useServerNow } from "../shared/clock";
import { formatMoney } from "../shared/money";
import type { Product } from "../shared/api";
import { FlashForm } from "./FlashForm";
import { inShow, presetSteps, PRESETS, runningOf, spanWords, type Preset, type Running } from "./flash";
import type { FlashDesk } from "./flashdesk";

/** `form` is the product whose form is open: a hotkey opens it, too. */
export function FlashPanel({ desk, form }: { desk: FlashDesk; form: { value: Product | null } }): JSX.Element {
  const product = desk.target;
  const trouble = desk.trouble.value;
  return (
    <div class="st-flash" role="group" aria-labelledby="flash-title">
      <h3 id="flash-title">Flash price</h3>
      <p class="st-flash__for">
        {product ? product.title : "Choose a product first"}
        {product && inShow(product).length > 1 && <span> · all {inShow(product).length} variants</span>}
      </p>
      <div class="st-presets">
        {PRESETS.map((preset) => (
          <PresetButton key={preset.key} desk={desk} preset={preset} product={product} />
        ))}
        <button type="button" class="st-preset" aria-keyshortcuts="F" disabled={!product} onClick={() => (form.value = product)}>
          <kbd aria-hidden="true">F</kbd>
          <span>
            <strong>Other…</strong>
            <small>price, time, cap</small>
          </span>
        </button>
      </div>
      {trouble && trouble.at !== "form" && (
        <p class="st-trouble" role="alert">
          {trouble.words}
        </p>
      )}
      <RunningLine desk={desk} />
      <p class="sr-only" role="status">
        {desk.said.value}
      </p>
      {form.value && <FlashForm desk={desk} product={form.value} onClose={() => (form.value = null)} />}
    </div>
  );
}

function PresetButton({ desk, preset, product }: { desk: FlashDesk; preset: Preset; product: Product | null }): JSX.Element {
  const steps = product ? presetSteps(product, preset) : [];
  const lowest = steps.reduce((low, { amount }) => Math.min(low, amount), Infinity);
  const currency = product?.variants[0]?.price.currency;
  const span = spanWords(preset.lastsS);
  const price = currency && steps.length > 0 ? `${steps.length > 1 && steps.some(({ amount }) => amount !== lowest) ? "from " : ""}${formatMoney({ amount: lowest, currency })}` : "";
  return (
    <button
      type="button"
      class="st-preset"
      aria-keyshortcuts={preset.key}
      aria-busy={desk.busy.value === preset.key}
      disabled={!product}
      onClick={() => void desk.preset(preset)}
    >
      <kbd aria-hidden="true">{preset.key}</kbd>
      <span>
        <strong>
          −{preset.percent} % <i>{span}</i>
        </strong>
        <small class="num">{price || "–"}</small>
      </span>
    </button>
  );
}

/** What E would end. */
function RunningLine({ desk }: { desk: FlashDesk }): JSX.Element | null {
  useServerNow(250);
  const product = desk.endTarget(serverNow());
  const running = product && runningOf(product, serverNow());
  if (!product || !running) return null;
  const many = running.variants.length;
  return (
    <div class="st-running">
      <p>
        <strong>{product.title}</strong>
        <span class="num">
          <FlashFigures running={running} />
          {many > 1 && ` · ${many} variants`}
        </span>
      </p>
      <button type="button" class="st-preset st-preset--end" aria-keyshortcuts="E" aria-busy={desk.busy.value === "end"} onClick={() => void desk.end()}>
        <kbd aria-hidden="true">E</kbd>
        <strong>End now</strong>
      </button>
    </div>
  );
}

/** Old -> new, the clock, and units left at this price. */
export function FlashFigures({ running }: { running: Running }): JSX.Element {
  const { phase, amount, standing, currency, left, turnMs } = running;
  if (phase === "gone")
    return (
      <>
        {formatMoney({ amount, currency })} · none left at this price · <time role="timer">{clockText(turnMs)}</time>
      </>
    );
  const from = running.variants.length > 1 ? "from " : "";
  return (
    <>
      <span class="sr-only">was </span>
      <s>{formatMoney({ amount: standing, currency })}</s> <span aria-hidden="true">→</span>
      <span class="sr-only"> now</span>{" "}
      <b>
        {from}
        {formatMoney({ amount, currency })}
      </b>{" "}
      {phase === "ahead" ? "in " : ""}
      <time role="timer">{clockText(turnMs)}</time>
      {left !== null && ` · ${left} at this price`}
    </>
  );
}
