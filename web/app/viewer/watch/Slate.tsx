import type { ComponentChildren } from "preact";
import { clockText, useServerNow } from "../../shared/clock";
import { fullTime } from "../../shared/when";
import { LinkButton } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import type { Show } from "../../shared/api";
import type { WatchModel } from "./model";

/** What lies over the picture when there is none, or not the newest. Says what happens next. */
export function Slate({ model, hasPicture }: { model: WatchModel; hasPicture: boolean }) {
  const show = model.show.value;
  switch (model.scene.value) {
    case "live":
      // Between the first packet and the first picture.
      return hasPicture ? null : <Waiting>Connecting to the show</Waiting>;
    case "loading":
    case "connecting":
      return <Waiting>Connecting to the show</Waiting>;
    case "in_line":
      return <Waiting>Many people are joining. You are in line.</Waiting>;
    case "reconnecting":
      return <Waiting>{navigator.onLine ? "The video broke off. Getting it back" : "You are offline. The video comes back with your connection"}</Waiting>;
    case "dropped":
      return (
        <Card title="Back in a moment">
          {show ? `${show.creator.name}'s` : "The creator's"} line dropped. Stay here: the picture comes back by itself. You can go on buying; prices and holds wait.
        </Card>
      );
    case "upcoming":
      return show ? <Upcoming show={show} /> : null;
    case "ended":
      return (
        <Card title="This show has ended" action={<LinkButton tone="plain" href="/">See what is live</LinkButton>}>
          Thank you for watching. What you bought stays yours: the receipt is under the link of your order.
        </Card>
      );
    case "refused":
      return (
        <Card title="You cannot watch this show" action={<LinkButton tone="plain" href="/">See what is live</LinkButton>}>
          {model.watcher.refused.value?.message ?? "The creator or an operator closed it for you."}
        </Card>
      );
  }
  return null;
}

function Waiting({ children }: { children: ComponentChildren }) {
  return (
    <div class="slate" role="status">
      <p class="slate-wait">
        <Spinner />
        {children}
      </p>
    </div>
  );
}

function Card({ title, children, action }: { title: string; children: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="slate slate-dim" role="status">
      <div class="slate-card">
        <h2>{title}</h2>
        <p>{children}</p>
        {action}
      </div>
    </div>
  );
}

function Upcoming({ show }: { show: Show }) {
  const now = useServerNow(1_000);
  if (!show.starts_at)
    return (
      <Card title="Not on stage yet">
        {show.creator.name} has not said when the show starts. This page begins by itself when it does.
      </Card>
    );
  const left = Date.parse(show.starts_at) - now;
  const days = Math.floor(left / 86_400_000);
  return (
    <div class="slate slate-dim">
      <div class="slate-card">
        <h2>{left > 0 ? "The show starts in" : "Any moment now"}</h2>
        {left > 0 && (
          <p class="countdown num" role="timer">
            {days > 0 && `${days} ${days === 1 ? "day" : "days"} `}
            {clockText(left - days * 86_400_000)}
          </p>
        )}
        <p>
          {left > 0 ? `${fullTime(show.starts_at)}. ` : `It was announced for ${fullTime(show.starts_at)}. `}
          This page begins by itself.
        </p>
      </div>
    </div>
  );
}

