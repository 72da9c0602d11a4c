import { useEffect, useRef } from "preact/hooks";
import { Button, Field } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { AddressFields } from "../delivery/AddressFields";
import { addressLines } from "../../shared/address";
import type { Details } from "../delivery/details";

type DetailsProps = { details: Details; frozen: boolean };

/** Whom the receipt is for and where the parcel goes; what is known already stands in one line. */
export function DetailFields({ details, frozen }: DetailsProps) {
  const errors = details.errors.value;
  return (
    <>
      <Field
        label="E-mail for the receipt"
        type="email"
        name="email"
        autocomplete="email"
        inputMode="email"
        maxLength={254}
        readOnly={frozen}
        value={details.email.value}
        onInput={(value) => details.setEmail(value)}
        error={errors.email}
      />
      <fieldset class={frozen ? "frozen" : ""}>
        <legend>Deliver to</legend>
        {!details.ready.value ? (
          <p class="costs-state">
            <Spinner label="Looking up your address" />
          </p>
        ) : details.folded.value ? (
          <Folded details={details} frozen={frozen} />
        ) : (
          <Open details={details} frozen={frozen} />
        )}
      </fieldset>
    </>
  );
}

function Folded({ details, frozen }: DetailsProps) {
  return (
    <div class="address-line">
      <p>{addressLines(details.address.value).join(", ")}</p>
      {!frozen && (
        <Button tone="quiet" aria-label="Change the address" onClick={() => details.unfold()}>
          Change
        </Button>
      )}
    </div>
  );
}

function Open({ details, frozen }: DetailsProps) {
  const area = useRef<HTMLDivElement>(null);
  // Who pressed "Change" goes on where the button was.
  useEffect(() => {
    if (details.unfolded) area.current?.querySelector("input")?.focus();
    details.unfolded = false;
  }, []);
  return (
    <div class="address" ref={area}>
      <AddressFields address={details.address.value} errors={details.errors.value} frozen={frozen} onChange={(change) => details.set(change)} />
      {details.hasAccount && !frozen && (
        <label class="tick">
          <input type="checkbox" checked={details.save.value} onChange={(event) => (details.save.value = event.currentTarget.checked)} />
          <span>Save this address in my account</span>
        </label>
      )}
    </div>
  );
}
