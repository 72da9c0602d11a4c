// A part of a page that is loaded when it is first drawn.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Draws nothing until the part is there; on a failure it tries again when drawn anew, so that a lost line costs one tap. */
export function lazyPart<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> & { preload: () => void } {
  let part: ComponentType<P> | null = null;
  const fetchPart = async (): Promise<void> => {
    part ??= (await load()).default;
  };
  function Lazy(props: P) {
    const [, redraw] = useState(0);
    useEffect(() => {
      if (part) return;
      let left = false;
      const done = (): void => {
        if (!left) redraw((n) => n + 1);
      };
      fetchPart().then(done, () => setTimeout(() => !left && fetchPart().then(done, () => undefined), 1_000));
      return () => {
        left = true;
      };
    }, []);
    const Part = part;
    return Part ? <Part {...props} /> : null;
  }
  return Object.assign(Lazy, { preload: () => void fetchPart().catch(() => undefined) });
}
