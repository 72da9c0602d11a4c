// Addresses as people write them, and what is certainly wrong with one. The server judges the rest.

export { addressLines, countryName } from "../../shared/address";
import type { Address, Country } from "./calls";

export type AddressErrors = Partial<Record<keyof Address, string>>;

/** Longest texts, as the server takes them. */
export const LIMITS: Record<keyof Address, number> = { name: 120, line1: 120, line2: 120, city: 80, region: 3, postcode: 16, country: 2 };

/** The order in which they stand on the page. */
export const FIELDS: (keyof Address)[] = ["name", "country", "line1", "line2", "postcode", "city", "region"];

export const emptyAddress = (country = ""): Address => ({ name: "", line1: "", line2: "", city: "", region: "", postcode: "", country });

/** Countries whose postcodes are digits alone: a phone may show its number keys. */
const DIGITS = new Set("AT AU BE BG CH CN CY CZ DE DK EE ES FI FR GR HR HU IN IS IT KR LI LU MC MX NO NZ RO SE SG SI SK SM TR UA US".split(" "));
/** Others where everybody has one. Elsewhere the server says whether one is missing. */
const LETTERS = new Set("BR CA GB IE JP LT LV MT NL PL PT".split(" "));

export const digitsOnly = (country: string): boolean => DIGITS.has(country);

export const postcodeName = (country: string): string => (country === "US" ? "ZIP code" : "Postcode");
export const regionName = (country: string): string => (country === "US" ? "State" : country === "CA" ? "Province" : "Region");

/** As it is sent: what autofill and thumbs leave at the ends does not belong to it. */
export function tidied(address: Address): Address {
  const tidy = { ...address };
  for (const field of FIELDS) tidy[field] = tidy[field].replace(/\s+/g, " ").trim();
  return tidy;
}

/** `country` is the chosen one; undefined while it is not known where the shop delivers. */
export function checkAddress(address: Address, country: Country | undefined): AddressErrors {
  const errors: AddressErrors = {};
  const { name, line1, city, region, postcode } = tidied(address);
  if (!name) errors.name = "Who the parcel is for";
  if (!country) errors.country = "Where it should go";
  if (!line1) errors.line1 = "Street and number, as on a letter";
  if (!city) errors.city = "Town or city";
  if (!postcode && (DIGITS.has(address.country) || LETTERS.has(address.country))) errors.postcode = address.country === "US" ? "5 digits" : "As on a letter";
  if (country?.regions && !country.regions.some(({ code }) => code === region)) errors.region = `Choose one: taxes differ by ${regionName(address.country).toLowerCase()}`;
  return errors;
}
