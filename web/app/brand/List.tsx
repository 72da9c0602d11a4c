// A list that comes in pages, in each of its states.

import type { ComponentChildren, JSX } from "preact";
import { Banner, Button, ErrorState, Skeleton } from "../shared/ui";
import type { Pages } from "./pages";

/** Loading, failed, empty, or what there is and a way to more. */
export function List<T extends { id: string }>(props: { list: Pages<T>; title: string; more: string; empty: JSX.Element; children: ComponentChildren }): JSX.Element {
  const { list } = props;
  const state = list.state.value;
  const some = list.items.value.length > 0;
  if (!some && state === "loading")
    return (
      <div aria-busy="true">
        <span class="sr-only">Loading</span>
        <Skeleton class="st-skeleton--row" />
        <Skeleton class="st-skeleton--row" />
      </div>
    );
  if (!some && state === "failed") return <ErrorState title={props.title} error={list.error.value} onRetry={() => void list.next()} />;
  if (!some) return props.empty;
  return (
    <>
      {props.children}
      {state === "failed" && (
        <Banner tone="error" action={<Button onClick={() => void list.next()}>Try again</Button>}>
          The rest did not load.
        </Banner>
      )}
      {list.more.value && state !== "failed" && (
        <p class="br-more">
          <Button busy={state === "loading"} onClick={() => void list.next()}>
            {props.more}
          </Button>
        </p>
      )}
    </>
  );
}
