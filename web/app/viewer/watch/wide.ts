import { useEffect, useState } from "preact/hooks";

// The same widths as in watch.css and sheet.css.
const query = "(min-width: 900px), (max-height: 500px) and (orientation: landscape) and (min-width: 700px)";

/** Whether video and shop stand beside each other. */
export function useWide(): boolean {
  const [wide, setWide] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = (): void => setWide(list.matches);
    changed();
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, []);
  return wide;
}
