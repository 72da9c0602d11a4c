// Addresses as they stand on a parcel.

import type { Address } from "./api";

let names: Intl.DisplayNames | null = null;

/** "Italy", in the reader's language; the code itself when the browser knows no name. */
export function countryName(code: string): string {
  try {
    names ??= new Intl.DisplayNames(undefined, { type: "region" });
    return names.of(code) ?? code;
  } catch {
    return code;
  }
}

export function addressLines({ name, line1, line2, city, region, postcode, country }: Address): string[] {
  const place = region ? `${city}, ${region} ${postcode}` : `${postcode} ${city}`;
  return [name, line1, line2, place.trim(), countryName(country)].filter(Boolean);
}
