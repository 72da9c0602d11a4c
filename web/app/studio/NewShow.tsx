// The dialog that plans a show or changes one.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { JSX } from "preact";
import { serverNow } from "../shared/clock";
import { newId } from "../shared/ids";
import { Button, Field, Sheet, TextArea } from "../shared/ui";
import * as api from "../shared/api";
import type { Show } from "../shared/api";
import { fromLocalInput, toLocalInput, words } from "../shared/back/words";

const TITLE_LIMIT = 120;
const DESCRIPTION_LIMIT = 2_000;

export function NewShow({ show, onClose, onSaved }: { show: Show | null; onClose: () => void; onSaved: (show: Show) => void }): JSX.Element {
  // One id per dialog: a second press after a lost answer creates nothing twice.
  const id = useMemo(() => show?.id ?? newId("shw"), []);
  const title = useSignal(show?.title ?? "");
  const description = useSignal(show?.description ?? "");
  const at = useSignal(toLocalInput(show?.starts_at ? new Date(show.starts_at) : nextHalfHour()));
  const complaints = useSignal<{ title?: string; description?: string; at?: string }>({});
  const busy = useSignal(false);
  const failed = useSignal("");

  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    const starts = fromLocalInput(at.value);
    const wrong: typeof complaints.value = {};
    if (!title.value.trim()) wrong.title = "Give the show a name.";
    else if (title.value.trim().length > TITLE_LIMIT) wrong.title = `At most ${TITLE_LIMIT} characters.`;
    if (description.value.trim().length > DESCRIPTION_LIMIT) wrong.description = `At most ${DESCRIPTION_LIMIT.toLocaleString("en")} characters.`;
    if (!starts) wrong.at = "Choose a day and a time.";
    complaints.value = wrong;
    if (!starts || Object.keys(wrong).length > 0) return;
    busy.value = true;
    failed.value = "";
    try {
      onSaved(await api.putShow(id, { title: title.value.trim(), description: description.value.trim(), starts_at: starts }));
    } catch (error) {
      failed.value = words(error);
    } finally {
      busy.value = false;
    }
  };

  return (
    <Sheet place="center" title={show ? "Edit show" : "New show"} onClose={onClose}>
      <form class="st-form" noValidate onSubmit={(event) => void save(event)}>
        <Field label="Name" name="title" value={title.value} onInput={(value) => (title.value = value)} error={complaints.value.title} maxLength={TITLE_LIMIT} autoFocus />
        <TextArea label="What is it about?" name="description" value={description.value} onInput={(value) => (description.value = value)} error={complaints.value.description ?? null} maxLength={DESCRIPTION_LIMIT} />
        <Field label="Planned start" name="at" type="datetime-local" value={at.value} onInput={(value) => (at.value = value)} error={complaints.value.at} hint="Viewers see a countdown. You can go live earlier or later." />
        {failed.value && (
          <p class="st-trouble" role="alert">
            {failed.value}
          </p>
        )}
        <div class="st-actions">
          <Button onClick={onClose}>
            Cancel
          </Button>
          <Button tone="primary" type="submit" busy={busy.value}>
            {show ? "Save" : "Create show"}
          </Button>
        </div>
      </form>
    </Sheet>
  );
}

function nextHalfHour(): Date {
  const half = 30 * 60_000;
  return new Date(Math.ceil(serverNow() / half) * half);
}
