import { useEffect, useRef, useState } from "preact/hooks";
import { Button, Field, Framed } from "../../shared/ui/controls";
import { Banner } from "../../shared/ui/states";
import { digitsOnly, LIMITS, postcodeName, regionName, type AddressErrors } from "./address";
import type { Address } from "./calls";
import { countries, countriesFailed, countryOf, countryOptions, likelyCountry, readCountries } from "./countries";
import "./delivery.css";

type FieldsProps = {
  address: Address;
  errors: AddressErrors;
  frozen?: boolean;
  onChange: (change: Partial<Address>) => void;
};

/** Where a parcel goes, as short as can be: what most addresses lack is asked only where it is needed. */
export function AddressFields({ address, errors, frozen = false, onChange }: FieldsProps) {
  const { name, line1, line2, city, postcode, country } = address;
  const [second, setSecond] = useState(line2 !== "");
  const area = useRef<HTMLDivElement>(null);
  const regions = countryOf(country)?.regions ?? null;
  const text = (field: keyof Address) => ({
    name: field,
    value: address[field],
    maxLength: LIMITS[field],
    readOnly: frozen,
    error: errors[field],
    onInput: (value: string) => onChange({ [field]: value }),
  });
  useEffect(() => {
    if (line2 || errors.line2) setSecond(true);
  }, [line2, errors.line2]);
  const addLine = (): void => {
    setSecond(true);
    requestAnimationFrame(() => area.current?.querySelector<HTMLInputElement>("[name=line2]")?.focus());
  };
  return (
    <div class="address" ref={area}>
      <Field label="Full name" autocomplete="shipping name" {...text("name")} value={name} />
      <CountryPick address={address} error={errors.country} frozen={frozen} onChange={onChange} />
      <Field label="Street and number" autocomplete="shipping address-line1" {...text("line1")} value={line1} />
      {second ? (
        <Field label="Second line, if there is one" autocomplete="shipping address-line2" {...text("line2")} />
      ) : (
        !frozen && (
          <Button tone="quiet" class="address-more" onClick={addLine}>
            Add a line: company, floor, care of
          </Button>
        )
      )}
      <div class="address-place">
        <Field
          label={postcodeName(country)}
          autocomplete="shipping postal-code"
          inputMode={digitsOnly(country) ? "numeric" : "text"}
          autoCapitalize="characters"
          {...text("postcode")}
          value={postcode}
        />
        <Field label="City" autocomplete="shipping address-level2" {...text("city")} value={city} />
      </div>
      {regions && (
        <Pick
          label={regionName(country)}
          name="region"
          autocomplete="shipping address-level1"
          value={address.region}
          options={regions}
          empty="Choose one"
          error={errors.region}
          disabled={frozen}
          onChange={(region) => onChange({ region })}
        />
      )}
    </div>
  );
}

function CountryPick({ address, error, frozen, onChange }: { address: Address; error: string | undefined; frozen: boolean; onChange: (change: Partial<Address>) => void }) {
  const all = countries.value;
  const failed = countriesFailed.value;
  useEffect(() => void readCountries(), []);
  // An address without a country was typed before it was known where we deliver.
  useEffect(() => {
    if (all && !address.country) onChange({ country: likelyCountry(all) });
  }, [all, address.country]);
  // Said again as soon as the connection is back.
  useEffect(() => {
    const again = (): void => void readCountries();
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, []);
  if (failed && !all)
    return (
      <Banner tone="warn" action={<Button onClick={() => void readCountries()}>Try again</Button>}>
        The list of countries did not load.
      </Banner>
    );
  const options = all ? countryOptions(all) : [];
  // A saved address may lead to where we deliver no more: it stays chosen, and the costs say so.
  if (address.country && !options.some(({ code }) => code === address.country)) options.unshift(...countryOptions({ countries: [{ code: address.country, regions: null }], home: "" }));
  return (
    <Pick
      label="Country"
      name="country"
      autocomplete="shipping country"
      value={address.country}
      options={options}
      {...(address.country ? {} : { empty: all ? "Choose one" : "Loading" })}
      error={error}
      disabled={frozen}
      onChange={(country) => onChange({ country })}
    />
  );
}

type PickProps = {
  label: string;
  name: string;
  autocomplete: string;
  value: string;
  options: { code: string; name: string }[];
  /** Said while nothing is chosen. */
  empty?: string;
  error: string | undefined;
  disabled: boolean;
  onChange: (value: string) => void;
};

function Pick({ label, name, autocomplete, value, options, empty, error, disabled, onChange }: PickProps) {
  return (
    <Framed label={label} error={error}>
      {(tie) => (
        <select {...tie} name={name} autocomplete={autocomplete as "shipping country"} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)}>
          {empty && <option value="">{empty}</option>}
          {options.map((option) => (
            <option key={option.code} value={option.code}>
              {option.name}
            </option>
          ))}
        </select>
      )}
    </Framed>
  );
}

