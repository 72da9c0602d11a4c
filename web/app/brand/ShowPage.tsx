// /brand/{show}: my variants in one show: units, what is left, and when each opens.

import { useEffect, useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { BackIcon, Banner, Button, ErrorState, LinkButton, LiveBadge, Skeleton } from "../shared/ui";
import { useOnline } from "../shared/back/online";
import type { BrandProduct, Me } from "../shared/api";
import { stateLine, Picture } from "./HomePage";
import { Supply } from "./supply";
import { VariantRow } from "./VariantRow";

export function ShowPage({ id, me }: { id: string; me: Me }): JSX.Element {
  const supply = useMemo(() => new Supply(id, me.account?.id ?? ""), [id]);
  useEffect(() => {
    supply.start();
    return () => supply.stop();
  }, [supply]);
  const online = useOnline();
  useEffect(() => {
    if (online && supply.found.peek().state === "failed") void supply.load();
  }, [online]);

  const found = supply.found.value;
  if (found.state === "loading")
    return (
      <main class="br-page" id="main" aria-busy="true" aria-label="Loading the show">
        <Skeleton class="st-skeleton--title" />
        <Skeleton class="st-skeleton--row" />
        <Skeleton class="st-skeleton--row" />
      </main>
    );
  if (found.state === "failed")
    return (
      <main class="br-page" id="main">
        <ErrorState title="The show did not load" error={found.error} onRetry={() => void supply.load()} />
      </main>
    );
  if (found.state === "ready") return <Shelf supply={supply} />;
  const foreign = found.state === "foreign" ? found.show : null;
  return (
    <main class="st-lone" id="main">
      <h1>{foreign ? "You do not supply this show" : "This show does not exist"}</h1>
      <p>
        {foreign
          ? `Ask ${foreign.creator.name} to invite you in their studio, under “Brands of this show”, by your e-mail address ${me.account?.email}.`
          : "The link may be incomplete."}
      </p>
      <div class="st-actions">
        <LinkButton tone="primary" href="/brand">
          My products and shows
        </LinkButton>
        {foreign && <LinkButton href={`/s/${encodeURIComponent(id)}`}>Watch it</LinkButton>}
      </div>
    </main>
  );
}

function Shelf({ supply }: { supply: Supply }): JSX.Element {
  const show = supply.show.value;
  const online = useOnline();
  const title = show?.title ?? "";
  useEffect(() => {
    document.title = `${title} · Brand · Rialto`;
  }, [title]);
  // Rows keep their places while numbers move: what is in the show stands first as it stood when the page was opened.
  const order = useMemo(() => {
    const inShow = (product: BrandProduct): boolean => product.variants.some(({ id }) => supply.stocked(id));
    return [...supply.products.peek()].sort((a, b) => Number(inShow(b)) - Number(inShow(a)));
  }, [supply.products.value]);
  if (!show) return <></>;
  const ended = show.state === "ended";
  const phase = supply.room.phase.value;
  return (
    <main class="br-page" id="main">
      <header class="br-showhead">
        <a class="st-iconbutton" href="/brand" aria-label="My products and shows" title="My products and shows">
          <BackIcon />
        </a>
        <div>
          <h1>{show.title}</h1>
          <p class="num">
            {show.state === "live" && <LiveBadge />} by {show.creator.name}
            {show.on_air ? "" : ` · ${stateLine(show)}`}
          </p>
        </div>
        {!ended && <LinkButton href={`/s/${encodeURIComponent(show.id)}`}>Watch</LinkButton>}
      </header>
      {ended && <Banner>This show has ended. Nothing can be stocked or opened in it any more.</Banner>}
      {!ended && !online && <Banner tone="warn">This device is offline. Numbers may be old, and nothing can be changed until the line is back.</Banner>}
      {!ended && online && (phase === "waiting" || supply.behind.value) && (
        <Banner tone="warn" action={<Button onClick={() => supply.room.retryNow()}>Try now</Button>}>
          The line to the show is down. Numbers may be old; they come back by themselves.
        </Banner>
      )}
      {order.length === 0 ? (
        <div class="br-none">
          <strong>Nothing to put in yet</strong>
          <p>Make a product first; then say here how many units this show may sell.</p>
          <LinkButton tone="primary" href="/brand">
            Make a product
          </LinkButton>
        </div>
      ) : (
        <ul class="br-shelf">
          {order.map((product) => (
            <ProductShelf key={product.id} supply={supply} product={product} ended={ended} />
          ))}
        </ul>
      )}
    </main>
  );
}

function ProductShelf({ supply, product, ended }: { supply: Supply; product: BrandProduct; ended: boolean }): JSX.Element {
  const stocked = product.variants.map(({ id }) => supply.stocked(id)).filter((each) => each !== null);
  const pin = supply.room.state("pin.set", "pin").value;
  const onStage = (pin ? pin.product : supply.catalog.value?.pinned) === product.id;
  return (
    <li class="br-card" aria-label={product.title}>
      <header>
        <Picture image={product.image} />
        <div>
          <h2>{product.title}</h2>
          <p>
            {stocked.length === 0 ? "Not in this show" : stocked.length === product.variants.length ? "In this show" : `${stocked.length} of ${product.variants.length} variants in this show`}
            {onStage && <b class="br-stage">On stage now</b>}
          </p>
        </div>
      </header>
      <ul>
        {product.variants.map((variant) => (
          <VariantRow key={variant.id} supply={supply} product={product} variant={variant} ended={ended} />
        ))}
      </ul>
    </li>
  );
}
