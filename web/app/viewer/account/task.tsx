import { useState } from "preact/hooks";
import { ApiError } from "../../shared/http";
import { Banner } from "../../shared/ui/states";

/** One form's work: busy meanwhile, and what came of it in words. */
export function useTask(run: () => Promise<string>) {
  const [busy, setBusy] = useState(false);
  const [said, say] = useState<{ tone: "success" | "error"; text: string } | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    say(null);
    run()
      .then(
        (text) => text && say({ tone: "success", text }),
        (error: unknown) => say({ tone: "error", text: error instanceof ApiError ? error.message : "That did not work. Please try again." }),
      )
      .finally(() => setBusy(false));
  };
  return { busy, submit, told: said && <Banner tone={said.tone}>{said.text}</Banner> };
}
