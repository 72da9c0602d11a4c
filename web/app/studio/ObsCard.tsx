// For OBS and other WHIP encoders: the address, and a key that is shown once.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { Button, Sheet, Skeleton } from "../shared/ui";
import * as api from "../shared/api";
import type { StreamKey } from "../shared/api";
import { words } from "../shared/back/words";

type State = { name: "loading" } | { name: "failed"; words: string } | { name: "ready"; key: StreamKey };

export function ObsCard({ show }: { show: string }): JSX.Element {
  const state = useSignal<State>({ name: "loading" });
  const asking = useSignal(false);
  const busy = useSignal(false);
  const trouble = useSignal("");

  const load = async (): Promise<void> => {
    state.value = { name: "loading" };
    try {
      state.value = { name: "ready", key: await api.getStreamKey(show) };
    } catch (error) {
      state.value = { name: "failed", words: words(error) };
    }
  };
  useEffect(() => void load(), [show]);

  const rotate = async (): Promise<void> => {
    asking.value = false;
    busy.value = true;
    trouble.value = "";
    try {
      state.value = { name: "ready", key: await api.rotateStreamKey(show) };
    } catch (error) {
      trouble.value = words(error);
    } finally {
      busy.value = false;
    }
  };

  const { value } = state;
  return (
    <section class="st-card st-obs" aria-labelledby="obs-title">
      <details>
        <summary>
          <h2 id="obs-title">Stream with OBS</h2>
        </summary>
        {value.name === "loading" && <p aria-busy="true">
            <span class="sr-only">Loading the address</span>
            <Skeleton class="st-skeleton--row" />
          </p>}
        {value.name === "failed" && (
          <div role="alert">
            <p class="st-trouble">{value.words}</p>
            <Button onClick={() => void load()}>
              Try again
            </Button>
          </div>
        )}
        {value.name === "ready" && (
          <>
            <p class="st-hint">In OBS: Settings, Stream, Service “WHIP”. Encoder x264 or hardware H.264 with profile baseline, keyframes every 2 s, no B-frames.</p>
            <Copy label="Server" text={value.key.whip_url} />
            {value.key.key ? (
              <>
                <Copy label="Bearer token (stream key)" text={value.key.key} />
                <p class="st-hint">Copy it now: it is shown only this once.</p>
              </>
            ) : (
              <p class="st-hint">
                {value.key.hint ? (
                  <>
                    The key in use ends in <code>{value.key.hint.slice(-4)}</code>.
                  </>
                ) : (
                  "There is no key yet."
                )}
              </p>
            )}
            {trouble.value && (
              <p class="st-trouble" role="alert">
                {trouble.value}
              </p>
            )}
            <Button busy={busy.value} onClick={() => (value.key.generation > 0 ? (asking.value = true) : void rotate())}>
              {value.key.generation > 0 ? "Make a new key" : "Make a key"}
            </Button>
          </>
        )}
      </details>
      {asking.value && (
        <Sheet place="center" title="Make a new key?" onClose={() => (asking.value = false)}>
          <p>This ends OBS streams that use the old key. A stream from this page goes on.</p>
          <div class="st-actions">
            <Button onClick={() => (asking.value = false)}>
              Keep the old key
            </Button>
            <Button tone="danger" onClick={() => void rotate()}>
              Make a new key
            </Button>
          </div>
        </Sheet>
      )}
    </section>
  );
}

export function Copy({ label, text }: { label: string; text: string }): JSX.Element {
  const said = useSignal("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      said.value = "Copied";
    } catch {
      said.value = "Select the text and copy it";
    }
  };
  useEffect(() => {
    if (!said.value) return;
    const timer = setTimeout(() => (said.value = ""), 2_000);
    return () => clearTimeout(timer);
  }, [said.value]);
  return (
    <div class="st-copy">
      <label>
        <span>{label}</span>
        <input type="text" readOnly value={text} onFocus={(event) => event.currentTarget.select()} />
      </label>
      <Button onClick={() => void copy()} aria-label={`Copy ${label}`}>
        {said.value === "Copied" ? "Copied" : "Copy"}
      </Button>
      <span class="sr-only" role="status">
        {said.value}
      </span>
    </div>
  );
}
