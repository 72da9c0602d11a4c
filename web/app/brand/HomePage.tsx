// /brand: the shows I supply, and my products.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { serverNow } from "../shared/clock";
import { formatMoney } from "../shared/money";
import { dayAndTime } from "../shared/when";
import { Banner, Button, Empty, LiveBadge } from "../shared/ui";
import { PlusIcon } from "../shared/back/icons";
import { useOnline } from "../shared/back/online";
import * as api from "../shared/api";
import type { BrandProduct, Me, Show } from "../shared/api";
import { List } from "./List";
import { Pages } from "./pages";
import { ProductEditor } from "./ProductEditor";
import { Tabs } from "./Tabs";

export function HomePage({ me }: { me: Me }): JSX.Element {
  const { shows, products } = useMemo(
    () => ({
      shows: new Pages<Show>(async (cursor) => {
        const page = await api.suppliedShows(cursor);
        return { items: page.shows, next: page.next };
      }),
      products: new Pages<BrandProduct>(async (cursor) => {
        const page = await api.myProducts(cursor);
        return { items: page.products, next: page.next };
      }),
    }),
    [],
  );
  const editing = useSignal<BrandProduct | "new" | null>(null);
  const said = useSignal("");
  const online = useOnline();
  useEffect(() => {
    document.title = "Your brand · Rialto";
    void shows.load();
    void products.load();
  }, []);
  useEffect(() => {
    // Back on line: what failed for want of it is tried again by itself.
    if (!online) return;
    for (const list of [shows, products]) if (list.state.peek() === "failed") void list.next();
  }, [online]);

  return (
    <main class="br-page" id="main">
      <h1>{me.account?.name}</h1>
      <Tabs here="shelf" />
      {!online && <Banner tone="warn">This device is offline. What you see may be old, and nothing can be saved.</Banner>}
      <section aria-labelledby="shows-title">
        <header class="br-head">
          <h2 id="shows-title">Shows I supply</h2>
        </header>
        <List list={shows} title="Your shows did not load" more="More shows" empty={<NoShows email={me.account?.email ?? ""} />}>
          <ul class="br-shows">
            {shows.items.value.map((show) => (
              <ShowRow key={show.id} show={show} own={show.creator.id === me.account?.id} />
            ))}
          </ul>
        </List>
      </section>
      <section aria-labelledby="products-title">
        <header class="br-head">
          <h2 id="products-title">Products</h2>
          {products.items.value.length > 0 && (
            <Button tone="primary" onClick={() => (editing.value = "new")}>
              <PlusIcon /> New product
            </Button>
          )}
        </header>
        <p class="br-said" role="status">
          {said.value}
        </p>
        <List list={products} title="Your products did not load" more="More products" empty={<NoProducts onNew={() => (editing.value = "new")} />}>
          <ul class="br-products">
            {products.items.value.map((product) => (
              <ProductCard key={product.id} product={product} onEdit={() => (editing.value = product)} />
            ))}
          </ul>
        </List>
      </section>
      {editing.value && (
        <ProductEditor
          product={editing.value === "new" ? null : editing.value}
          onClose={() => (editing.value = null)}
          onSaved={(product) => {
            products.put(product);
            said.value = `${product.title} is saved.`;
            editing.value = null;
          }}
        />
      )}
    </main>
  );
}

function NoShows({ email }: { email: string }): JSX.Element {
  return (
    <div class="br-none">
      <strong>No show yet</strong>
      <p>
        A creator invites you in their studio by your e-mail address, <b>{email}</b>. Their show then stands here, and you can stock it.
      </p>
    </div>
  );
}

function NoProducts({ onNew }: { onNew: () => void }): JSX.Element {
  return (
    <Empty
      title="Nothing on the shelf yet"
      action={
        <Button tone="primary" onClick={onNew}>
          Make your first product
        </Button>
      }
    >
      A name, a picture, what it costs, and its sizes or colours if there are any.
    </Empty>
  );
}

export function stateLine(show: Show): string {
  const now = serverNow();
  if (show.state === "live") return show.on_air ? "On air now" : "Open, no picture yet";
  if (show.state === "ended") return show.ended_at ? `Ended ${dayAndTime(show.ended_at, now)}` : "Ended";
  return show.starts_at ? `Planned for ${dayAndTime(show.starts_at, now)}` : "No date yet";
}

function ShowRow({ show, own }: { show: Show; own: boolean }): JSX.Element {
  return (
    <li>
      <a class="st-show" href={`/brand/${encodeURIComponent(show.id)}`}>
        <img src={show.poster ?? "/img/poster.svg"} alt="" loading="lazy" />
        <span class="st-show__text">
          <strong>{show.title}</strong>
          <span class="num">
            {own ? "Your own show" : `by ${show.creator.name}`} · {stateLine(show)}
          </span>
        </span>
        {show.state === "live" && <LiveBadge />}
      </a>
    </li>
  );
}

export function priceSpan({ variants }: Pick<BrandProduct, "variants">): string {
  const prices = variants.map(({ price }) => price).sort((a, b) => a.amount - b.amount);
  const [lowest, highest] = [prices[0], prices.at(-1)];
  if (!lowest || !highest) return "";
  return lowest.amount === highest.amount ? formatMoney(lowest) : `${formatMoney(lowest)} – ${formatMoney(highest)}`;
}

function ProductCard({ product, onEdit }: { product: BrandProduct; onEdit: () => void }): JSX.Element {
  const names = product.variants.map(({ title }) => title).filter(Boolean);
  return (
    <li class="br-product">
      <Picture image={product.image} />
      <div>
        <h3>{product.title}</h3>
        <p class="num">{priceSpan(product)}</p>
        {names.length > 0 && <p class="br-product__variants">{names.join(" · ")}</p>}
      </div>
      <Button onClick={onEdit} aria-label={`Edit ${product.title}`}>
        Edit
      </Button>
    </li>
  );
}

export function Picture({ image }: { image: string }): JSX.Element {
  return image ? <img class="br-pic" src={image} alt="" loading="lazy" /> : <span class="br-pic br-pic--none" aria-hidden="true" />;
}
