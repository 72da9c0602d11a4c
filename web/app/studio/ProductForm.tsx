// Add or edit one product of the show.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { newId } from "../shared/ids";
import { minorDigits } from "../shared/money";
import { Button, Field, Sheet, TextArea } from "../shared/ui";
import type { Product } from "../shared/api";
import { check, DESCRIPTION_LIMIT, TITLE_LIMIT, type Complaints, type Typed } from "./draft";
import type { RunSheet } from "./sheet";
import { words } from "../shared/back/words";

/** Until an account has a currency of its own. */
const CURRENCY = "EUR";

export function ProductForm({ sheet, product, onClose }: { sheet: RunSheet; product: Product | null; onClose: () => void }): JSX.Element {
  const variant = product?.variants[0];
  // Made once per dialog: pressing Save again after a lost answer repeats the same product instead of adding a second.
  const ids = useMemo(() => ({ product: product?.id ?? newId("prd"), variant: variant?.id ?? newId("var") }), []);
  const currency = variant?.price.currency ?? sheet.products.value[0]?.variants[0]?.price.currency ?? CURRENCY;
  const typed = useSignal<Typed>({
    title: product?.title ?? "",
    description: product?.description ?? "",
    price: variant ? (variant.price.amount / 10 ** minorDigits(currency)).toFixed(minorDigits(currency)) : "",
    stock: variant ? String(variant.on_hand) : "",
  });
  const complaints = useSignal<Complaints>({});
  const busy = useSignal(false);
  const failed = useSignal("");

  const set = (key: keyof Typed) => (value: string) => {
    typed.value = { ...typed.value, [key]: value };
    if (complaints.value[key]) complaints.value = { ...complaints.value, [key]: undefined };
  };
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const result = check(typed.value, currency, ids.variant);
    if ("complaints" in result) {
      complaints.value = result.complaints;
      const first = Object.keys(result.complaints)[0];
      (event.currentTarget as HTMLFormElement).querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
      return;
    }
    busy.value = true;
    failed.value = "";
    try {
      await sheet.save(ids.product, result.draft);
      onClose();
    } catch (error) {
      failed.value = words(error);
    } finally {
      busy.value = false;
    }
  };

  const sold = variant ? variant.on_hand - variant.left : 0;
  return (
    <Sheet place="center" title={product ? "Edit product" : "Add a product"} onClose={onClose}>
      <form class="st-form" noValidate onSubmit={(event) => void save(event)}>
        <Field label="Name" name="title" value={typed.value.title} onInput={set("title")} error={complaints.value.title} maxLength={TITLE_LIMIT} autoFocus />
        <TextArea label="Description" name="description" value={typed.value.description} onInput={set("description")} error={complaints.value.description ?? null} maxLength={DESCRIPTION_LIMIT} />
        <div class="st-form__pair">
          <Field label={`Price in ${currency}`} name="price" inputMode="decimal" value={typed.value.price} onInput={set("price")} error={complaints.value.price} />
          <Field
            label="Units for this show"
            name="stock"
            inputMode="numeric"
            value={typed.value.stock}
            onInput={set("stock")}
            error={complaints.value.stock}
            hint={sold > 0 ? `${sold} of them are held or sold.` : undefined}
          />
        </div>
        {failed.value && (
          <p class="st-trouble" role="alert">
            {failed.value}
          </p>
        )}
        <div class="st-actions">
          <Button onClick={onClose}>
            Cancel
          </Button>
          <Button tone="primary" type="submit" busy={busy.value}>
            {product ? "Save" : "Add product"}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
