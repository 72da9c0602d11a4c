// Takes the chosen product off the show: the creator's own, or what a brand has put there.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { words } from "../shared/back/words";
import { Button, Sheet } from "../shared/ui";
import type { Product } from "../shared/api";
import type { RunSheet } from "./sheet";

export function TakeOff({ sheet, product }: { sheet: RunSheet; product: Product }): JSX.Element {
  const asking = useSignal(false);
  const busy = useSignal(false);
  const trouble = useSignal("");
  const takeOff = async (): Promise<void> => {
    asking.value = false;
    busy.value = true;
    trouble.value = "";
    try {
      await sheet.takeOff(product.id);
    } catch (error) {
      trouble.value = `${product.title} is still on sale. ${words(error)}`;
    } finally {
      busy.value = false;
    }
  };
  return (
    <>
      <Button tone="quiet" busy={busy.value} onClick={() => (asking.value = true)}>
        Take {product.title} off this show
      </Button>
      {trouble.value && (
        <p class="st-trouble" role="alert">
          {trouble.value}
        </p>
      )}
      {asking.value && (
        <Sheet place="center" title={`Take ${product.title} off?`} onClose={() => (asking.value = false)}>
          <p>Nobody can buy it in this show any more. Who holds one can still pay for it. Stocking it again brings it back.</p>
          <div class="st-actions">
            <Button onClick={() => (asking.value = false)}>Keep it</Button>
            <Button tone="danger" onClick={() => void takeOff()}>
              Take it off
            </Button>
          </div>
        </Sheet>
      )}
    </>
  );
}
