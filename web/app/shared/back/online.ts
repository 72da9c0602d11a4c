import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

/** Whether the device has a line at all, as far as the browser knows. */
export function useOnline(): boolean {
  const online = useSignal(navigator.onLine);
  useEffect(() => {
    const update = (): void => void (online.value = navigator.onLine);
    window.addEventListener("online", update);
    window.addEventListener("offline", update);
    return () => {
      window.removeEventListener("online", update);
      window.removeEventListener("offline", update);
    };
  }, []);
  return online.value;
}
