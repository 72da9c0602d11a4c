// The exact moment at which a variant may be bought: typed in one's own time, said back in words, counted by the server's clock.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { serverNow, useServerNow } from "../shared/clock";
import { Button, Field, Sheet } from "../shared/ui";
import { words } from "../shared/back/words";
import { checkOpening, momentWords, proposal, toExactInput, untilWords, zoneWords } from "./release";
import type { Supply } from "./supply";

type Props = { supply: Supply; variant: string; name: string; planned: number | null; onClose: () => void };

export function ReleaseDialog({ supply, variant, name, planned, onClose }: Props): JSX.Element {
  const typed = useSignal(toExactInput(planned ?? proposal(serverNow(), supply.show.peek()?.starts_at ?? null)));
  const complaint = useSignal("");
  const busy = useSignal(false);
  const failed = useSignal("");
  useServerNow(500);
  const result = checkOpening(typed.value, serverNow());
  const at = "at" in result ? result.at : null;

  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy.value) return;
    const checked = checkOpening(typed.value, serverNow());
    if ("complaint" in checked) {
      complaint.value = checked.complaint;
      return;
    }
    busy.value = true;
    failed.value = "";
    try {
      await supply.open(variant, new Date(checked.at).toISOString());
      onClose();
    } catch (error) {
      failed.value = `Not planned. ${words(error)}`;
    } finally {
      busy.value = false;
    }
  };

  return (
    <Sheet place="center" title={`${planned ? "Change" : "Schedule"} the release: ${name}`} onClose={onClose}>
      <form class="st-form" noValidate onSubmit={(event) => void save(event)}>
        <Field
          label="Opens at"
          name="at"
          type="datetime-local"
          step={1}
          autoFocus
          value={typed.value}
          onInput={(value) => {
            typed.value = value;
            complaint.value = "";
          }}
          error={complaint.value || null}
          hint={`In your time: ${zoneWords(at ?? serverNow())}.`}
        />
        {at !== null && (
          <div class="br-moment">
            <strong>{momentWords(at)}</strong>
            {new Date(at).getTimezoneOffset() !== 0 && <span class="num">{momentWords(at, "UTC")} UTC</span>}
            <span class="num">
              Opens in <time role="timer">{untilWords(at - serverNow())}</time>, by the server’s clock
            </span>
          </div>
        )}
        <p class="st-hint">Until then viewers see the countdown and nobody can buy it. It opens for everybody at the same moment, whatever their own clocks say.</p>
        {failed.value && (
          <p class="st-trouble" role="alert">
            {failed.value}
          </p>
        )}
        <div class="st-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button tone="primary" type="submit" busy={busy.value}>
            {planned ? "Move the release" : "Schedule it"}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}
