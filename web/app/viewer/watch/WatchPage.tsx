import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { lazyPart } from "../lazy";
import { LinkButton } from "../../shared/ui/controls";
import { Banner, Empty, ErrorState } from "../../shared/ui/states";
import { Frame, useTitle } from "../Frame";
import { WatchModel } from "./model";
import { Bag } from "./Bag";
import { PinnedCard } from "./PinnedCard";
import { ShopState } from "./shop";
import { Stage } from "./Stage";
import "./watch.css";
import "./shop.css";

const BuySheet = lazyPart(() => import("../buy/BuySheet"));

export default function WatchPage({ route }: { route: { show: string } }) {
  const model = useMemo(() => new WatchModel(route.show), [route.show]);
  const shop = useMemo(() => new ShopState(model), [model]);
  useEffect(() => {
    model.start();
    return () => model.stop();
  }, [model]);

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
  // A picture taken with an upright phone fills an upright phone; a wide one leaves room below it.
  const tall = useSignal(false);
  const show = model.show.value;
  const pinned = model.pinned.value;
  const buying = shop.buying.value;
  const selling = model.scene.value !== "ended" && model.scene.value !== "refused";
  return (
    <div class={tall.value ? "watch watch-tall" : "watch"}>
      <Stage model={model} tall={tall}>
        <div class="watch-notices">
          <Notices model={model} />
        </div>
      </Stage>
      <main id="main" class="watch-shop">
        <header class="watch-about">
          <h1>{show?.title ?? "Loading the show"}</h1>
          {show && <p class="lead">with {show.creator.name}</p>}
          {show?.description && <p class="watch-description">{show.description}</p>}
        </header>
        {pinned && selling && <PinnedCard model={model} shop={shop} product={pinned} />}
        <Bag model={model} shop={shop} open={bagOpen} selling={selling} folded={tall.value} />
      </main>
      {buying && <BuySheet model={model} shop={shop} product={buying} />}
    </div>
  );
}

function Notices({ model }: { model: WatchModel }) {
  if (!model.stale.value) return null;
  return <Banner tone="warn">{navigator.onLine ? "Reconnecting. Prices and stock are brought up to date as soon as we are back." : "You are offline. We go on as soon as your connection is back."}</Banner>;
}
