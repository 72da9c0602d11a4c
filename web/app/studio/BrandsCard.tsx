// Brands of this show: who may put products of their own on its run sheet.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { Button, Field, Sheet, Skeleton } from "../shared/ui";
import * as api from "../shared/api";
import type { ShowBrand } from "../shared/api";
import { isCode } from "../shared/http";
import { words } from "../shared/back/words";

type State = { name: "loading" } | { name: "failed"; words: string } | { name: "ready"; brands: ShowBrand[] };

export function BrandsCard({ show }: { show: string }): JSX.Element {
  const state = useSignal<State>({ name: "loading" });
  const load = async (): Promise<void> => {
    state.value = { name: "loading" };
    try {
      state.value = { name: "ready", brands: (await api.showBrands(show)).brands };
    } catch (error) {
      state.value = { name: "failed", words: words(error) };
    }
  };
  useEffect(() => void load(), [show]);

  const { value } = state;
  return (
    <section class="st-card st-brands" aria-labelledby="brands-title">
      <h2 id="brands-title">Brands of this show</h2>
      <p class="st-hint">They put their own products on your run sheet and stock them. You pin them and set flash prices.</p>
      {value.name === "loading" && (
        <p aria-busy="true">
          <span class="sr-only">Loading the brands</span>
          <Skeleton class="st-skeleton--row" />
        </p>
      )}
      {value.name === "failed" && (
        <div role="alert">
          <p class="st-trouble">{value.words}</p>
          <Button onClick={() => void load()}>Try again</Button>
        </div>
      )}
      {value.name === "ready" && (
        <>
          {value.brands.length > 0 && (
            <ul>
              {value.brands.map((brand) => (
                <BrandRow key={brand.id} show={show} brand={brand} onGone={() => (state.value = { name: "ready", brands: value.brands.filter(({ id }) => id !== brand.id) })} />
              ))}
            </ul>
          )}
          <Invite show={show} onList={(brands) => (state.value = { name: "ready", brands })} />
        </>
      )}
    </section>
  );
}

function Invite({ show, onList }: { show: string; onList: (brands: ShowBrand[]) => void }): JSX.Element {
  const email = useSignal("");
  const busy = useSignal(false);
  const trouble = useSignal("");
  const said = useSignal("");
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value) return;
    said.value = "";
    const address = email.value.trim();
    if (!/^[^\s@]+@[^\s@]+$/.test(address)) {
      trouble.value = "An e-mail address, like hello@brand.example.";
      return;
    }
    busy.value = true;
    trouble.value = "";
    try {
      // Inviting twice is inviting once, so a lost answer may simply be asked for again.
      onList((await api.untilAnswered(() => api.addBrand(show, address), 3)).brands);
      said.value = `${address} can supply this show now.`;
      email.value = "";
    } catch (error) {
      trouble.value = isCode(error, "brand_unknown") ? "No brand has signed up with this address. Ask them to make a brand account first." : words(error);
    } finally {
      busy.value = false;
    }
  };
  return (
    <form class="st-invite" noValidate onSubmit={(event) => void send(event)}>
      <Field label="E-mail of a brand" type="email" name="brand-email" autocomplete="off" value={email.value} onInput={(value) => (email.value = value)} error={trouble.value || null} />
      <Button type="submit" busy={busy.value}>
        Invite
      </Button>
      <p class="st-said" role="status">
        {said.value}
      </p>
    </form>
  );
}

function BrandRow({ show, brand, onGone }: { show: string; brand: ShowBrand; onGone: () => void }): JSX.Element {
  const asking = useSignal(false);
  const busy = useSignal(false);
  const trouble = useSignal("");
  const remove = async (): Promise<void> => {
    asking.value = false;
    busy.value = true;
    trouble.value = "";
    try {
      await api.untilAnswered(() => api.removeBrand(show, brand.id), 3);
      onGone();
    } catch (error) {
      trouble.value = `${brand.name} is still in. ${words(error)}`;
    } finally {
      busy.value = false;
    }
  };
  return (
    <li>
      <span>
        <strong>{brand.name}</strong>
        <small>{brand.email}</small>
      </span>
      <Button tone="quiet" busy={busy.value} aria-label={`Remove ${brand.name}`} onClick={() => (asking.value = true)}>
        Remove
      </Button>
      {trouble.value && (
        <p class="st-trouble" role="alert">
          {trouble.value}
        </p>
      )}
      {asking.value && (
        <Sheet place="center" title={`Remove ${brand.name}?`} onClose={() => (asking.value = false)}>
          <p>They can no longer stock this show or plan releases in it. What they stocked already stays on your run sheet.</p>
          <div class="st-actions">
            <Button onClick={() => (asking.value = false)}>Keep them</Button>
            <Button tone="danger" onClick={() => void remove()}>
              Remove
            </Button>
          </div>
        </Sheet>
      )}
    </li>
  );
}
