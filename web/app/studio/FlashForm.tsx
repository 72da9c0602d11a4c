// A flash price that no preset is: any price, any length, a cap, now or in a while.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { formatMoney } from "../shared/money";
import { Button, Field, Select, Sheet } from "../shared/ui";
import type { Product } from "../shared/api";
import { inShow, planTyped, spanWords, type Complaints, type Typed } from "./flash";
import type { FlashDesk } from "./flashdesk";

const LENGTHS = [30, 60, 120, 300, 600, 900, 1800, 3600];

export function FlashForm({ desk, product, onClose }: { desk: FlashDesk; product: Product; onClose: () => void }): JSX.Element {
  const typed = useSignal<Typed>({ variant: "", price: "", lastsS: "120", startsInS: "", cap: "" });
  const complaints = useSignal<Complaints>({});
  const set = (key: keyof Typed) => (value: string) => {
    typed.value = { ...typed.value, [key]: value };
    if (complaints.value[key]) complaints.value = { ...complaints.value, [key]: undefined };
  };
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const result = planTyped(typed.value, product);
    if ("complaints" in result) {
      complaints.value = result.complaints;
      const first = Object.keys(result.complaints)[0];
      (event.currentTarget as HTMLFormElement).querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
      return;
    }
    if (await desk.plan(product, result.plan)) onClose();
  };

  const variants = inShow(product);
  const chosen = variants.find(({ id }) => id === typed.value.variant) ?? variants[0];
  const differ = variants.some(({ price }) => price.amount !== variants[0]?.price.amount);
  const trouble = desk.trouble.value;
  return (
    <Sheet place="center" title={`Flash price: ${product.title}`} onClose={onClose}>
      <form class="st-form" noValidate onSubmit={(event) => void send(event)}>
        {variants.length > 1 && (
          <Select
            label="For"
            value={typed.value.variant}
            options={[{ value: "", label: `All ${variants.length} variants` }, ...variants.map(({ id, title, price }) => ({ value: id, label: `${title}, ${formatMoney(price)}` }))]}
            onChange={set("variant")}
          />
        )}
        <div class="st-form__pair">
          <Field
            label={`Price in ${chosen?.price.currency ?? "EUR"}`}
            name="price"
            inputMode="decimal"
            autoFocus
            value={typed.value.price}
            onInput={set("price")}
            error={complaints.value.price}
            hint={chosen && (differ && typed.value.variant === "" ? "For each variant that costs more." : `Instead of ${formatMoney(chosen.price)}.`)}
          />
          <Select label="For how long" value={typed.value.lastsS} options={LENGTHS.map((s) => ({ value: String(s), label: spanWords(s) }))} onChange={set("lastsS")} />
        </div>
        <div class="st-form__pair">
          <Field label="Starts in, seconds" name="startsInS" inputMode="numeric" placeholder="0" value={typed.value.startsInS} onInput={set("startsInS")} error={complaints.value.startsInS} hint="Empty: now. Viewers see it count down." />
          <Field label="Units at this price" name="cap" inputMode="numeric" placeholder="No limit" value={typed.value.cap} onInput={set("cap")} error={complaints.value.cap} hint={variants.length > 1 && typed.value.variant === "" ? "For each variant. Empty: as many as there are." : "Empty: as many as there are."} />
        </div>
        {trouble?.at === "form" && (
          <p class="st-trouble" role="alert">
            {trouble.words}
          </p>
        )}
        <div class="st-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" type="submit" busy={desk.busy.value === "form"}>
            Set the price
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
