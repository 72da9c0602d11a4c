import { useEffect, useState } from "preact/hooks";
import { isTransient, untilAnswered, type ApiError } from "../../shared/http";
import { Button } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { Banner } from "../../shared/ui/states";
import { AddressBlock } from "../delivery/AddressBlock";
import { AddressFields } from "../delivery/AddressFields";
import { checkAddress, emptyAddress, FIELDS, tidied, type AddressErrors } from "../delivery/address";
import { deleteMyAddress, getMyAddress, putMyAddress, type Address } from "../delivery/calls";
import { countryOf } from "../delivery/countries";
import { forgetDetails } from "../delivery/details";
import { fieldErrors } from "../buy/words";
import { useTask } from "./task";

const TRIES = 3;

/** Where this account's parcels go: filled in by itself at the next purchase. */
export function AddressPanel({ name }: { name: string }) {
  const [address, setAddress] = useState<Address | null | undefined>(undefined);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [editing, edit] = useState(false);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setFailed(null);
    untilAnswered(getMyAddress, TRIES).then(
      (found) => setAddress(found.address),
      (error: ApiError) => setFailed(error),
    );
  }, [round]);
  const remove = useTask(async () => {
    await deleteMyAddress();
    forgetDetails();
    setAddress(null);
    return "Your address is deleted. What you ordered before still goes where you said.";
  });
  return (
    <section class="panel" aria-labelledby="address-title">
      <h2 id="address-title">Delivery address</h2>
      {!editing && remove.told}
      {failed ? (
        <Banner tone="warn" action={<Button onClick={() => setRound((n) => n + 1)}>Try again</Button>}>
          {isTransient(failed) ? "Your address did not load." : failed.message}
        </Banner>
      ) : address === undefined ? (
        <Spinner label="Loading your address" />
      ) : editing ? (
        <AddressForm
          start={address ?? { ...emptyAddress(), name }}
          onDone={(saved) => {
            if (saved) setAddress(saved);
            edit(false);
          }}
        />
      ) : (
        <>
          {address ? <AddressBlock address={address} /> : <p class="lead">None is saved. With one, the next purchase asks only for a card.</p>}
          <form class="panel-doors" onSubmit={remove.submit}>
            <Button onClick={() => edit(true)}>{address ? "Change the address" : "Add an address"}</Button>
            {address && (
              <Button type="submit" tone="quiet" busy={remove.busy}>
                Delete it
              </Button>
            )}
          </form>
        </>
      )}
    </section>
  );
}

function AddressForm({ start, onDone }: { start: Address; onDone: (saved: Address | null) => void }) {
  const [address, setAddress] = useState(start);
  const [errors, setErrors] = useState<AddressErrors>({});
  const [form, setForm] = useState<HTMLFormElement | null>(null);
  const complain = (wrong: AddressErrors): void => {
    setErrors(wrong);
    const first = FIELDS.find((field) => wrong[field]);
    if (first) requestAnimationFrame(() => form?.querySelector<HTMLElement>(`[name="${first}"]`)?.focus());
  };
  // Who pressed "Change" goes on in the first field.
  useEffect(() => form?.querySelector("input")?.focus(), [form]);
  const save = useTask(async () => {
    const wrong = checkAddress(address, countryOf(address.country));
    complain(wrong);
    if (Object.keys(wrong).length > 0) return "";
    try {
      const saved = await putMyAddress(tidied(address));
      forgetDetails();
      onDone(saved.address ?? tidied(address));
    } catch (error) {
      const told = fieldErrors(error as ApiError, "this country");
      if (!told) throw error;
      complain(told as AddressErrors);
    }
    return "";
  });
  const change = (fields: Partial<Address>): void => {
    const moved = fields.country !== undefined && fields.country !== address.country;
    setAddress((old) => ({ ...old, ...(moved ? { region: "" } : {}), ...fields }));
    setErrors((old) => Object.fromEntries(Object.entries(old).filter(([field]) => !(field in fields))));
  };
  return (
    <form class="form" ref={setForm} noValidate onSubmit={save.submit}>
      {save.told}
      <AddressFields address={address} errors={errors} onChange={change} />
      <div class="panel-doors">
        <Button tone="primary" type="submit" busy={save.busy}>
          Save the address
        </Button>
        <Button tone="quiet" onClick={() => onDone(null)}>
          Cancel
        </Button>
      </div>
    </form>
  );
}
