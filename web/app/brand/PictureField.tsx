// The picture of a product: chosen, dropped or pasted, shown at once, sent in the background.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { Button, Spinner } from "../shared/ui";
import * as api from "../shared/api";
import { isTransient } from "../shared/http";
import { newKey } from "../shared/ids";
import { words } from "../shared/back/words";
import { fitPicture, KINDS, PictureError } from "./picture";

type Props = {
  image: string;
  onImage: (image: string) => void;
  /** Saving waits for it. */
  onBusy: (busy: boolean) => void;
};

export function PictureField({ image, onImage, onBusy }: Props): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const preview = useSignal("");
  const busy = useSignal(false);
  const over = useSignal(false);
  const trouble = useSignal("");
  /** The picture that did not arrive, with its key, to be sent again as it is. */
  const unsent = useRef<{ picture: Blob; key: string } | null>(null);
  const latest = useRef(0);
  useEffect(() => () => show(""), []);

  const show = (url: string): void => {
    if (preview.peek()) URL.revokeObjectURL(preview.peek());
    preview.value = url;
  };
  const setBusy = (now: boolean): void => {
    busy.value = now;
    onBusy(now);
  };
  const send = async (picture: Blob, key: string, turn: number): Promise<void> => {
    try {
      const made = await api.untilAnswered(() => api.postPicture(picture, key), 3);
      if (turn !== latest.current) return;
      unsent.current = null;
      onImage(made.image);
    } catch (error) {
      if (turn !== latest.current) return;
      unsent.current = isTransient(error) ? { picture, key } : null;
      trouble.value = `The picture is not saved. ${words(error)}`;
    }
    setBusy(false);
  };
  const take = async (file: File | null | undefined): Promise<void> => {
    if (!file) return;
    const turn = ++latest.current;
    trouble.value = "";
    unsent.current = null;
    setBusy(true);
    try {
      const picture = await fitPicture(file);
      if (turn !== latest.current) return;
      show(URL.createObjectURL(picture));
      await send(picture, newKey(), turn);
    } catch (error) {
      if (turn !== latest.current) return;
      trouble.value = error instanceof PictureError ? error.message : words(error);
      setBusy(false);
    }
  };
  const again = (): void => {
    const { current } = unsent;
    if (!current) return;
    trouble.value = "";
    setBusy(true);
    void send(current.picture, current.key, ++latest.current);
  };

  const shown = preview.value || image;
  return (
    <div
      class={`br-drop${over.value ? " br-drop--over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={(event) => {
        event.preventDefault();
        over.value = false;
        void take(event.dataTransfer?.files[0]);
      }}
      onPaste={(event) => void take(event.clipboardData?.files[0])}
    >
      <div class="br-drop__frame" aria-busy={busy.value}>
        {shown ? <img src={shown} alt="The product’s picture" /> : <span class="br-pic--none" aria-hidden="true" />}
        {busy.value && (
          <span class="br-drop__spin">
            <Spinner label="Saving the picture" />
          </span>
        )}
      </div>
      <div class="br-drop__side">
        <strong>Picture</strong>
        <p>PNG, JPEG or WebP, best square. Drop one here, or choose it.</p>
        <input
          ref={input}
          class="sr-only"
          type="file"
          accept={KINDS.join(",")}
          tabIndex={-1}
          aria-label="File of the picture"
          onChange={(event) => {
            void take(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
        <div class="br-drop__do">
          <Button onClick={() => input.current?.click()}>{shown ? "Choose another" : "Choose a picture"}</Button>
          {unsent.current && trouble.value && <Button onClick={again}>Try again</Button>}
        </div>
        {trouble.value && (
          <p class="st-trouble" role="alert">
            {trouble.value}
          </p>
        )}
      </div>
    </div>
  );
}
