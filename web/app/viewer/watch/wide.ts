import { useEffect, useState } from "preact/hooks";

// The same widths as in watch.css and sheet.css.
const query = "(min-width: 900px), (max-height: 500px) and (orientation: landscape) and (min-width: 700px)";

const roomy = "(min-width: 900px) and (min-height: 501px)";

/** Whether video and shop stand beside each other. */
export function useWide(): boolean {
  return useMedia(query);
}

/** Whether the column beside the video is high enough for goods and chat. */
export function useRoomy(): boolean {
  return useMedia(roomy);
}

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = (): void => setMatches(list.matches);
    changed();
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, [query]);
  return matches;
}
