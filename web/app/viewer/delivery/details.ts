// Whom the receipt is for and where the parcel goes, as typed on this page: kept while the tab lives, so that the next
// product asks for it no more. Never the card.

import { signal, type Signal } from "@preact/signals";
import { whoAmI } from "../../shared/session";
import { checkAddress, emptyAddress, tidied, type AddressErrors } from "./address";
import { getMyAddress, type Address } from "./calls";
import { countryOf, readCountries } from "./countries";

export type DetailErrors = AddressErrors & { email?: string };

const KEY = "rialto.details";
/** Nobody waits longer than this for an address that they can also type. */
const SAVED_MS = 4_000;

export class Details {
  readonly email: Signal<string> = signal("");
  readonly address: Signal<Address> = signal(emptyAddress());
  readonly errors: Signal<DetailErrors> = signal({});
  /** The address is known and stands in one line. */
  readonly folded: Signal<boolean> = signal(false);
  /** What is known of this person has been read, or could not be. */
  readonly ready: Signal<boolean> = signal(false);
  readonly save: Signal<boolean> = signal(false);

  /** Just now, by its person. */
  unfolded = false;
  private reading: Promise<void> | null = null;

  constructor(
    readonly subject: string,
    readonly hasAccount: boolean,
  ) {}

  /** Twice is once. */
  read(): Promise<void> {
    this.reading ??= this.readOnce().finally(() => (this.ready.value = true));
    return this.reading;
  }

  set(change: Partial<Address>): void {
    const before = this.address.peek();
    const moved = change.country !== undefined && change.country !== before.country;
    this.address.value = { ...before, ...(moved ? { region: "" } : {}), ...change };
    this.settled(...(Object.keys(change) as (keyof Address)[]), ...(moved ? (["region"] as const) : []));
  }

  setEmail(email: string): void {
    this.email.value = email;
    this.settled("email");
  }

  unfold(): void {
    this.unfolded = true;
    this.folded.value = false;
  }

  /** Opens the folded address; a complaint about it does so by itself. */
  complain(errors: DetailErrors): void {
    this.errors.value = errors;
    if (Object.keys(errors).some((field) => field !== "email")) this.folded.value = false;
  }

  check(): DetailErrors {
    const errors: DetailErrors = checkAddress(this.address.peek(), countryOf(this.address.peek().country));
    if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(this.email.peek().trim())) errors.email = "We send the receipt there: name@example.com";
    return errors;
  }

  /** For the next product, in this tab. */
  keep(): void {
    this.address.value = tidied(this.address.peek());
    try {
      sessionStorage.setItem(KEY, JSON.stringify({ subject: this.subject, email: this.email.peek().trim(), address: this.address.peek() }));
    } catch {
      // Storage is switched off: these details live as long as the page.
    }
  }

  /** A complaint goes as soon as its cause is touched; it comes back at the next try if it is still true. */
  private settled(...fields: (keyof DetailErrors)[]): void {
    const rest = { ...this.errors.peek() };
    for (const field of fields) delete rest[field];
    this.errors.value = rest;
  }

  private async readOnce(): Promise<void> {
    void readCountries();
    const kept = keptFor(this.subject);
    if (kept) this.email.value = kept.email;
    const saved = kept?.address ?? (await this.saved());
    if (!saved) return;
    this.address.value = { ...emptyAddress(), ...saved };
    this.folded.value = true;
  }

  private async saved(): Promise<Address | null> {
    if (!this.hasAccount) return null;
    return getMyAddress({ timeoutMs: SAVED_MS }).then(
      ({ address }) => address,
      () => null, // They can type it.
    );
  }
}

let present: Details | null = null;

/** The details of whoever is at this page now; another person at the same tab starts with empty ones. */
export async function detailsOf(): Promise<Details> {
  const me = await whoAmI();
  if (present?.subject !== me.subject) {
    present = new Details(me.subject, me.account !== null);
    if (me.account) {
      present.email.value = me.account.email;
      present.address.value = { ...emptyAddress(), name: me.account.name };
    }
  }
  return present;
}

/** After the saved address was changed elsewhere on this page. */
export function forgetDetails(): void {
  present = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Nothing was kept.
  }
}

function keptFor(subject: string): { email: string; address: Address } | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null") as { subject: string; email: string; address: Address } | null;
    return kept?.subject === subject ? kept : null;
  } catch {
    return null;
  }
}
