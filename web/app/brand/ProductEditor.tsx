// Make or change one product: name, picture, words, and each variant with its price.

import { useSignal } from "@preact/signals";
import { useId, useMemo, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { newId } from "../shared/ids";
import { Banner, Button, Field, IconButton, CloseIcon, Sheet, TextArea } from "../shared/ui";
import { PlusIcon } from "../shared/back/icons";
import { words } from "../shared/back/words";
import * as api from "../shared/api";
import type { BrandProduct } from "../shared/api";
import { checkProduct, DESCRIPTION_LIMIT, newVariant, TITLE_LIMIT, typedFrom, VARIANT_TITLE_LIMIT, VARIANTS_LIMIT, type Complaints, type TypedProduct, type TypedVariant } from "./draft";
import { PictureField } from "./PictureField";

/** Until an account has a currency of its own. */
const CURRENCY = "EUR";
const TRIES = 3;

export function ProductEditor({ product, onClose, onSaved }: { product: BrandProduct | null; onClose: () => void; onSaved: (product: BrandProduct) => void }): JSX.Element {
  // Made once per dialog: saving again after a lost answer repeats the same product instead of adding a second.
  const id = useMemo(() => product?.id ?? newId("prd"), []);
  const first = useMemo(() => typedFrom(product), []);
  const currency = product?.variants[0]?.price.currency ?? CURRENCY;
  const typed = useSignal<TypedProduct>(first);
  const complaints = useSignal<Complaints>({});
  const busy = useSignal(false);
  const sending = useSignal(false);
  const failed = useSignal("");
  const leaving = useSignal(false);
  const form = useRef<HTMLFormElement>(null);
  const formId = useId();

  const set = (change: Partial<TypedProduct>, field: string): void => {
    typed.value = { ...typed.value, ...change };
    if (complaints.value[field]) complaints.value = Object.fromEntries(Object.entries(complaints.value).filter(([key]) => key !== field));
  };
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value || sending.value) return;
    leaving.value = false;
    const result = checkProduct(typed.value, currency);
    if ("complaints" in result) {
      complaints.value = result.complaints;
      const wrong = [...(form.current?.querySelectorAll<HTMLElement>("[name]") ?? [])].find((field) => (field.getAttribute("name") ?? "") in result.complaints);
      wrong?.focus();
      return;
    }
    busy.value = true;
    failed.value = "";
    try {
      onSaved(await api.untilAnswered(() => api.putBrandProduct(id, result.draft), TRIES));
    } catch (error) {
      failed.value = words(error);
    } finally {
      busy.value = false;
    }
  };
  const close = (): void => {
    if (JSON.stringify(typed.value) === JSON.stringify(first) && !sending.value) onClose();
    else leaving.value = true;
  };

  const foot = leaving.value ? (
    <Banner tone="warn">
      <p>Leave without saving?</p>
      <div class="st-actions">
        <Button onClick={() => (leaving.value = false)}>Go on editing</Button>
        <Button tone="danger" onClick={onClose}>
          Leave
        </Button>
      </div>
    </Banner>
  ) : (
    <>
      {failed.value && (
        <p class="st-trouble" role="alert">
          Not saved. {failed.value}
        </p>
      )}
      <div class="st-actions">
        <Button onClick={close}>Cancel</Button>
        <Button tone="primary" type="submit" form={formId} busy={busy.value} aria-disabled={sending.value}>
          {sending.value ? "Saving the picture…" : product ? "Save" : "Make the product"}
        </Button>
      </div>
    </>
  );
  return (
    <Sheet place="center" title={product ? "Edit product" : "New product"} onClose={close} footer={foot}>
      <form id={formId} ref={form} class="st-form" noValidate onSubmit={(event) => void save(event)}>
        <Field label="Name" name="title" value={typed.value.title} onInput={(title) => set({ title }, "title")} error={complaints.value.title} maxLength={TITLE_LIMIT} autoFocus />
        <PictureField image={typed.value.image} onImage={(image) => set({ image }, "image")} onBusy={(now) => (sending.value = now)} />
        <TextArea label="Description" name="description" value={typed.value.description} onInput={(description) => set({ description }, "description")} error={complaints.value.description ?? null} maxLength={DESCRIPTION_LIMIT} />
        <Variants variants={typed.value.variants} currency={currency} complaints={complaints.value} onChange={(variants, field) => set({ variants }, field)} />
        {product && <p class="st-hint">A new price reaches every open show at once. What buyers hold already keeps its price.</p>}
      </form>
    </Sheet>
  );
}

type VariantsProps = { variants: TypedVariant[]; currency: string; complaints: Complaints; onChange: (variants: TypedVariant[], field: string) => void };

function Variants({ variants, currency, complaints, onChange }: VariantsProps): JSX.Element {
  const change = (id: string, to: Partial<TypedVariant>, field: string): void =>
    onChange(
      variants.map((each) => (each.id === id ? { ...each, ...to } : each)),
      field,
    );
  const many = variants.length > 1;
  return (
    <fieldset class="br-variants">
      <legend>{many ? "Variants and prices" : "Price"}</legend>
      {variants.map((variant, index) => (
        <div class="br-variant" key={variant.id} role="group" aria-label={many ? `Variant ${index + 1}` : undefined}>
          {(many || variant.title) && (
            <Field
              label="Variant"
              name={`name ${variant.id}`}
              placeholder={index === 0 ? "28 cm" : "32 cm"}
              value={variant.title}
              onInput={(title) => change(variant.id, { title }, `name ${variant.id}`)}
              error={complaints[`name ${variant.id}`]}
              maxLength={VARIANT_TITLE_LIMIT}
            />
          )}
          <Field
            label={`Price in ${currency}`}
            name={`price ${variant.id}`}
            inputMode="decimal"
            value={variant.price}
            onInput={(price) => change(variant.id, { price }, `price ${variant.id}`)}
            error={complaints[`price ${variant.id}`]}
          />
          {many && !variant.saved && (
            <IconButton
              label={`Remove variant ${index + 1}`}
              onClick={() =>
                onChange(
                  variants.filter(({ id }) => id !== variant.id),
                  "",
                )
              }
            >
              <CloseIcon />
            </IconButton>
          )}
        </div>
      ))}
      {variants.length < VARIANTS_LIMIT ? (
        <Button onClick={() => onChange([...variants, { ...newVariant(), price: variants.at(-1)?.price ?? "" }], "")}>
          <PlusIcon /> Add a variant
        </Button>
      ) : (
        <p class="st-hint">A product has at most {VARIANTS_LIMIT} variants.</p>
      )}
      {!many && <p class="st-hint">Sizes or colours? Each gets its own price and its own stock.</p>}
    </fieldset>
  );
}
