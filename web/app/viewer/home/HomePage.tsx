import type { Show } from "../../shared/api";
import { serverNow } from "../../shared/clock";
import { dayAndTime } from "../../shared/when";
import { Banner, Empty, ErrorState, LiveBadge, Skeleton } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { useShows } from "./shows";
import "./home.css";

export default function HomePage() {
  const { live, upcoming, failed, stale, retry } = useShows();
  return (
    <Frame title="">
      <h1 class="sr-only">Live shopping</h1>
      {stale && live && <Banner tone="warn">We cannot reach the server right now. This is what we knew last; it comes back by itself.</Banner>}
      {failed && !live ? (
        <ErrorState error={failed} onRetry={retry} />
      ) : (
        <>
          <section class="home-part" aria-labelledby="live-now">
            <h2 id="live-now">Live now</h2>
            {!live ? (
              <Loading />
            ) : live.length === 0 ? (
              <Empty title="The stage is dark">
                {upcoming && upcoming.length > 0 ? "Nobody is live right now. Below is who comes next." : "Nobody is live right now, and no show is announced yet."}
              </Empty>
            ) : (
              <ul class="live-grid">
                {live.map((show, i) => (
                  <li key={show.id}>
                    <LiveCard show={show} first={i === 0} />
                  </li>
                ))}
              </ul>
            )}
          </section>
          {upcoming && upcoming.length > 0 && (
            <section class="home-part" aria-labelledby="coming-up">
              <h2 id="coming-up">Coming up</h2>
              <ul class="next-list">
                {upcoming.map((show) => (
                  <li key={show.id}>
                    <NextRow show={show} />
                  </li>
                ))}
              </ul>
            </section>
          )}
        </>
      )}
    </Frame>
  );
}

function LiveCard({ show, first }: { show: Show; first: boolean }) {
  return (
    <a class="live-card" href={`/s/${show.id}`}>
      <span class="live-picture">
        <img src={show.poster ?? "/img/poster.svg"} alt="" width="1280" height="720" loading={first ? "eager" : "lazy"} decoding="async" />
        {show.on_air ? <LiveBadge /> : <span class="pause-badge">Back in a moment</span>}
      </span>
      <span class="live-text">
        <span class="avatar" aria-hidden="true">
          {initial(show.creator.name)}
        </span>
        <span class="live-words">
          <strong>{show.title}</strong>
          <span class="lead">{show.creator.name}</span>
          {show.description && <span class="live-about">{show.description}</span>}
        </span>
      </span>
    </a>
  );
}

function NextRow({ show }: { show: Show }) {
  return (
    <a class="next-row" href={`/s/${show.id}`}>
      <img src={show.poster ?? "/img/poster.svg"} alt="" width="128" height="72" loading="lazy" decoding="async" />
      <span class="next-words">
        <strong>{show.title}</strong>
        <span class="lead">{show.creator.name}</span>
      </span>
      <span class="next-time num">{show.starts_at ? dayAndTime(show.starts_at, serverNow()) : "Soon"}</span>
    </a>
  );
}

function Loading() {
  return (
    <div class="live-grid" role="status">
      <span class="sr-only">Loading what is live</span>
      {[0, 1].map((i) => (
        <div class="live-card" key={i}>
          <Skeleton class="live-picture" />
          <span class="live-text">
            <Skeleton class="avatar" />
            <span class="live-words">
              <Skeleton class="line-long" />
              <Skeleton class="line-short" />
            </span>
          </span>
        </div>
      ))}
    </div>
  );
}

function initial(name: string): string {
  return (Array.from(name.trim())[0] ?? "?").toUpperCase();
}
