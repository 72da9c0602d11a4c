// Stripe's own card fields. Their script comes from Stripe, always: cards are typed into a frame of theirs, and neither
// this page nor our server ever has a card.

/** What we use of Stripe's script; the rest of it is Stripe's affair. */
export interface StripeElement {
  mount(into: HTMLElement): void;
  destroy(): void;
  focus(): void;
  update(options: object): void;
  on(event: "ready" | "focus" | "blur", then: () => void): void;
  on(event: "change", then: (change: { complete: boolean; empty: boolean; error?: { message: string } }) => void): void;
}

export interface StripeApi {
  elements(options?: object): { create(kind: "card", options: object): StripeElement };
  createPaymentMethod(of: object): Promise<{ paymentMethod?: { id: string }; error?: { type?: string; message?: string } }>;
}

interface Policies {
  createPolicy(name: string, rules: { createScriptURL: (address: string) => string | null }): unknown;
}

declare global {
  interface Window {
    Stripe?: (key: string, options?: object) => StripeApi;
    trustedTypes?: Policies;
  }
}

const ORIGIN = "https://js.stripe.com";
const SCRIPT = `${ORIGIN}/v3/`;
/** A script that does not come is asked for again by a tap. */
const PATIENCE_MS = 20_000;

let loading: Promise<StripeApi> | null = null;
let allowed = false;

/** Loads the script once. A failed try is forgotten, so that the next one is made anew. */
export function loadStripe(key: string): Promise<StripeApi> {
  loading ??= script()
    .then(() => {
      if (!window.Stripe) throw new Error("Stripe's script did not bring what it should");
      return window.Stripe(key, { locale: "en" });
    })
    .catch((error: unknown) => {
      loading = null;
      throw error;
    });
  return loading;
}

/** The page may run no script whose address nobody vouches for. This vouches for Stripe's, also for those that it loads itself. */
function allow(): void {
  if (allowed) return;
  allowed = true;
  window.trustedTypes?.createPolicy("default", {
    createScriptURL: (address) => (new URL(address, location.href).origin === ORIGIN ? address : null),
  });
}

function script(): Promise<void> {
  if (window.Stripe) return Promise.resolve();
  allow();
  return new Promise((done, fail) => {
    const element = document.createElement("script");
    const give = (up: string): void => {
      clearTimeout(timer);
      element.remove();
      fail(new Error(up));
    };
    const timer = setTimeout(() => give("Stripe's script did not come in time"), PATIENCE_MS);
    element.onload = () => (clearTimeout(timer), done());
    element.onerror = () => give("Stripe's script could not be loaded");
    element.src = SCRIPT;
    document.head.append(element);
  });
}

/** Our look, for a frame that inherits none of it. */
export function look(of: HTMLElement): object {
  const style = getComputedStyle(of);
  const of_ = (name: string): string => style.getPropertyValue(name).trim();
  return {
    base: { color: style.color, fontFamily: style.fontFamily, fontSize: "16px", iconColor: of_("--text-2"), "::placeholder": { color: of_("--text-2") } },
    invalid: { color: of_("--red"), iconColor: of_("--red") },
  };
}
