import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { lazyPart } from "../lazy";
import { Button, IconButton, LinkButton } from "../../shared/ui/controls";
import { CloseIcon } from "../../shared/ui/icons";
import { Banner, Empty, ErrorState } from "../../shared/ui/states";
import { Frame, useTitle } from "../Frame";
import { WatchModel } from "./model";
import { Bag } from "./Bag";
import { PinnedCard } from "./PinnedCard";
import { ShopState } from "./shop";
import { Stage } from "./Stage";
import { ChatFade, Dock, TalkColumn, TalkSheet, Viewers, type TalkTab } from "./Talk";
import { useRoomy, useWide } from "./wide";
import { orderAddress } from "../order/address";
import type { CloseReason } from "../../shared/realtime";
import "./watch.css";
import "./shop.css";

const BuySheet = lazyPart(() => import("../buy/BuySheet"));

export default function WatchPage({ route }: { route: { show: string } }) {
  const model = useMemo(() => new WatchModel(route.show), [route.show]);
  const shop = useMemo(() => new ShopState(model), [model]);
  useEffect(() => {
    model.start();
    const off = shop.follow();
    return () => {
      off();
      model.stop();
    };
  }, [model, shop]);

  const scene = model.scene.value;
  useTitle(model.show.value?.title ?? "Show");
  if (scene === "unknown")
    return (
      <Frame title="Show not found">
        <Empty whole title="There is no show here" action={<LinkButton tone="primary" href="/">See what is live</LinkButton>}>
          The link may be incomplete, or the show was taken down.
        </Empty>
      </Frame>
    );
  if (scene === "failed")
    return (
      <Frame title="Show">
        <ErrorState whole error={model.failure.value} onRetry={model.retry} />
      </Frame>
    );
  return <Watch model={model} shop={shop} />;
}

function Watch({ model, shop }: { model: WatchModel; shop: ShopState }) {
  const bagOpen = useSignal(false);
  const talkOpen = useSignal<TalkTab | null>(null);
  // A picture taken with an upright phone fills an upright phone; a wide one leaves room below it.
  const tall = useSignal(false);
  const wide = useWide();
  const roomy = useRoomy();
  const pinned = model.pinned.value;
  const buying = shop.buying.value;
  // Before the first tap, not after it: at a release a moment decides.
  useEffect(() => BuySheet.preload(), []);
  const scene = model.scene.value;
  const selling = scene !== "ended" && scene !== "refused";
  const talking = model.show.value !== null && scene !== "refused" && (scene !== "ended" || !model.chat.empty.value);
  const folded = tall.value && !wide;
  // A slate that has something to say has the small picture to itself.
  const clear = folded || scene === "live" || scene === "connecting" || scene === "in_line" || scene === "reconnecting";
  const fade = talking && clear && scene !== "ended" && !roomy && !talkOpen.value && <ChatFade model={model} open={talkOpen} />;
  const bag = <Bag model={model} shop={shop} open={bagOpen} selling={selling} folded={folded} />;
  return (
    <div class={`watch${tall.value ? " watch-tall" : ""}${talking && !roomy ? " watch-docked" : ""}`}>
      <Stage model={model} tall={tall}>
        <div class="watch-notices">
          <Notices model={model} shop={shop} />
        </div>
        {!folded && fade}
      </Stage>
      <main id="main" class="watch-shop">
        {/* With nothing to buy in it, only its own place in the Tab order lets the keyboard scroll it. */}
        <div class="watch-goods" {...(scene === "ended" && { tabIndex: 0, role: "group", "aria-label": "The show and what it sold" })}>
          <About model={model} />
          {folded && fade}
          {pinned && selling && <PinnedCard model={model} shop={shop} product={pinned} />}
          {(!folded || !talking) && bag}
        </div>
        {talking && roomy && <TalkColumn model={model} at={talkOpen} />}
        {talking && !roomy && (
          <Dock model={model} open={talkOpen}>
            {folded && bag}
          </Dock>
        )}
      </main>
      {talkOpen.value && !roomy && <TalkSheet model={model} at={talkOpen} />}
      {buying && <BuySheet model={model} shop={shop} product={buying} />}
    </div>
  );
}

function About({ model }: { model: WatchModel }) {
  const show = model.show.value;
  return (
    <header class="watch-about">
      <h1>{show?.title ?? "Loading the show"}</h1>
      {show && (
        <p class="lead">
          with {show.creator.name} <Viewers model={model} />
        </p>
      )}
      {show?.description && <p class="watch-description">{show.description}</p>}
    </header>
  );
}

/** Why the room was closed to this page though the show goes on, and what to do about it. */
const CLOSED: Partial<Record<CloseReason, string>> = {
  signed_out: "You were signed out. Load the page again, or sign in, to go on.",
  bad_message: "This page is older than the shop it talks to. Load it again to go on.",
  too_many_messages: "This page talked too much and was cut off. Load it again to go on.",
  too_large: "This page said something too long and was cut off. Load it again to go on.",
};

function Notices({ model, shop }: { model: WatchModel; shop: ShopState }) {
  const reason = model.room.closeReason.value;
  const closed = reason && CLOSED[reason];
  const bought = shop.bought.value;
  return (
    <>
      {model.stale.value && (
        <Banner tone="warn" action={navigator.onLine && <Button onClick={() => model.room.retryNow()}>Try now</Button>}>
          {navigator.onLine ? "Reconnecting. Prices and stock are brought up to date as soon as we are back." : "You are offline. We go on as soon as your connection is back."}
        </Banner>
      )}
      {closed && (
        <Banner tone="error" code={reason} action={<Button onClick={() => location.reload()}>Load again</Button>}>
          {closed}
        </Banner>
      )}
      {bought && (
        <Banner
          tone="success"
          action={
            <>
              <LinkButton href={orderAddress(bought)} target="_blank" rel="noopener">
                Open your order
              </LinkButton>
              <IconButton label="Dismiss" onClick={() => (shop.bought.value = null)}>
                <CloseIcon />
              </IconButton>
            </>
          }
        >
          Paid: {bought.lines.map(({ title }) => title).join(", ")} is yours.
        </Banner>
      )}
    </>
  );
}
