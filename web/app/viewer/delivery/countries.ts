// Where the shop delivers: read once for the page, when somebody is about to say where they live.

import { signal, type Signal } from "@preact/signals";
import { untilAnswered } from "../../shared/http";
import { countryName } from "../../shared/address";
import { getCountries, type Countries, type Country } from "./calls";

const TRIES = 4;

export const countries: Signal<Countries | null> = signal(null);
export const countriesFailed: Signal<unknown> = signal(null);

let reading: Promise<void> | null = null;

/** Reads them unless they are known. A failure stands in `countriesFailed`; called again, it tries again. */
export function readCountries(): Promise<void> {
  if (countries.peek()) return Promise.resolve();
  countriesFailed.value = null;
  reading ??= untilAnswered(() => getCountries(), TRIES)
    .then((found) => void (countries.value = found), (error: unknown) => void (countriesFailed.value = error))
    .finally(() => (reading = null));
  return reading;
}

export function countryOf(code: string): Country | undefined {
  return countries.value?.countries.find((country) => country.code === code);
}

/**
 * Where this person most likely is, if we deliver there; else the shop's own country. A browser's language says little by
 * itself (half of the world reads "en-US"), so its region must also have the clock that the device shows.
 */
export function likelyCountry({ countries: all, home }: Countries): string {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const spoken = navigator.languages.map(regionOf);
  const near = (code: string): boolean => zonesOf(code)?.includes(zone) ?? spoken.includes(code);
  const codes = all.map(({ code }) => code);
  return spoken.find((code) => codes.includes(code) && near(code)) ?? codes.find(near) ?? home;
}

function regionOf(language: string): string {
  try {
    return new Intl.Locale(language).region ?? "";
  } catch {
    return ""; // A language that is none.
  }
}

/** null where a browser does not know. */
function zonesOf(country: string): string[] | null {
  try {
    return (new Intl.Locale(`und-${country}`) as { getTimeZones?: () => string[] | undefined }).getTimeZones?.() ?? null;
  } catch {
    return null;
  }
}

/** By name, in the order of the reader's language. */
export function countryOptions({ countries: all }: Countries): { code: string; name: string }[] {
  return all.map(({ code }) => ({ code, name: countryName(code) })).sort((a, b) => a.name.localeCompare(b.name));
}
