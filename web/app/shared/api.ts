// The HTTP API as the pages use it: one function per operation, one type per document, made of what the server says of itself (api.gen.ts). Times are RFC 3339 texts in UTC.

import { addClockSample } from "./clock";
import { call, type CallOptions } from "./http";
import type { Schemas } from "./api.gen";

export { ApiError, isCode, isTransient, untilAnswered } from "./http";
export type { Problem, CallOptions } from "./http";
export type { Money } from "./money";

export type Account = Schemas["Account"];
export type Role = Account["roles"][number];
export type Me = Schemas["Me"];
export type Show = Schemas["Show"];
export type ShowState = Show["state"];
export type ShowPage = Schemas["Shows"];
export type Product = Schemas["Product"];
export type Variant = Schemas["Variant"];
/** What a show sells, at one moment. */
export type Catalog = Schemas["Products"];
/** A product as its owner keeps it, without what a show makes of it. */
export type BrandProduct = Schemas["BrandProduct"];
export type BrandProductPage = Schemas["BrandProducts"];
/** A brand that may put products of its own into a show. */
export type ShowBrand = Schemas["Brand"];
/** A timed release: nothing of the variant is sold before. null: it is open. */
export type Drop = Schemas["Drop"];
export type Hold = Schemas["Hold"];
export type HoldState = Hold["state"];
export type Order = Schemas["Order"];
export type OrderPage = Schemas["Orders"];
/** What a person has under way, and the version that a room's me message names. */
export type MyDocument = Schemas["Mine"];
export type Card = Schemas["Card"];
export type PublishTicket = Schemas["Ticket"];
export type StreamKey = Schemas["Key"];
export type Sales = Schemas["Sales"];
/** An order as the creator sees it, without the buyer's address. */
export type Sale = Schemas["Sale"];
/** Where a variant's units of a show are, and the hash of all that led there. */
export type Ledger = Schemas["Ledger"];
export type LedgerRow = Schemas["ChainRow"];
export type LedgerPage = Schemas["LedgerPage"];
export type Ledgers = Schemas["Ledgers"];
export type Address = Schemas["Address"];
/** An order as those see it who send it: their lines alone, and the address. */
export type SoldOrder = Schemas["SoldOrder"];
/** A mail that is kept here instead of being sent. */
export type MailHead = Schemas["MailHead"];
export type Mail = Schemas["Mail"];

const enc = encodeURIComponent;

/** Any operation by its path under /api/v1; the named ones below say what they answer. */
export function api<T>(method: string, path: string, body?: unknown, options?: CallOptions | AbortSignal): Promise<T> {
  return call<T>(method, `/api/v1${path}`, body, options instanceof AbortSignal ? { signal: options } : options);
}

// People

/** Also the page's first reading of the server's clock, and what makes the guest's cookie. */
export async function getMe(options?: CallOptions): Promise<Me> {
  const sent = performance.now();
  const me = await api<Me>("GET", `/me`, undefined, options);
  const now = Date.parse(me.now);
  if (Number.isFinite(now)) addClockSample(sent, now, now, performance.now());
  return me;
}
export const getMyDocument = (o?: CallOptions) => api<MyDocument>("GET", `/me/document`, undefined, o);
export const signUp = (body: Schemas["SignUpRequest"], o?: CallOptions) =>
  api<Account>("POST", `/accounts`, body, o);
export const signIn = (email: string, password: string, o?: CallOptions) =>
  api<unknown>("POST", `/sessions`, { email, password }, o);
export const signOut = (o?: CallOptions) => api<void>("DELETE", `/sessions/current`, undefined, o);
export const renameMe = (name: string, o?: CallOptions) => api<unknown>("PATCH", `/me`, { name }, o);
export const changePassword = (old: string, fresh: string, o?: CallOptions) =>
  api<void>("PUT", `/me/password`, { old, new: fresh }, o);

/** Answered alike whether or not there is such an account. */
export const askReset = (email: string, o?: CallOptions) => api<unknown>("POST", `/password-resets`, { email }, o);
/** Works once. Signs in here, and out everywhere else. */
export const redeemReset = (token: string, password: string, o?: CallOptions) =>
  api<Account>("POST", `/password-resets/redeem`, { token, password }, o);
export const listMails = (o?: CallOptions) => api<Schemas["ListMailboxResponse"]>("GET", `/mailbox`, undefined, o);
export const readMail = (id: string, o?: CallOptions) => api<Mail>("GET", `/mailbox/${enc(id)}`, undefined, o);

// Shows

export const listShows = (state: "live" | "upcoming" | "ended", cursor?: string | null, o?: CallOptions) =>
  api<ShowPage>("GET", `/shows?state=${state}${cursor ? `&cursor=${enc(cursor)}` : ""}`, undefined, o);
export const myShows = (o?: CallOptions) => api<ShowPage>("GET", `/shows/mine`, undefined, o);
export const getShow = (id: string, o?: CallOptions) => api<Show>("GET", `/shows/${enc(id)}`, undefined, o);
export const putShow = (id: string, body: Schemas["PutShowRequest"], o?: CallOptions) =>
  api<Show>("PUT", `/shows/${enc(id)}`, body, o);
export const endShow = (id: string, o?: CallOptions) => api<Show>("POST", `/shows/${enc(id)}/end`, undefined, o);
export const publishTicket = (id: string, o?: CallOptions) =>
  api<PublishTicket>("POST", `/shows/${enc(id)}/publish-ticket`, undefined, o);
export const getStreamKey = (id: string, o?: CallOptions) => api<StreamKey>("GET", `/shows/${enc(id)}/stream-key`, undefined, o);
export const rotateStreamKey = (id: string, o?: CallOptions) =>
  api<StreamKey>("POST", `/shows/${enc(id)}/stream-key`, undefined, o);

// What is sold

export const getProducts = (show: string, o?: CallOptions) => api<Catalog>("GET", `/shows/${enc(show)}/products`, undefined, o);
export const putProduct = (
  show: string,
  id: string,
  body: Schemas["PutProduct"],
  o?: CallOptions,
) => api<Product>("PUT", `/shows/${enc(show)}/products/${enc(id)}`, body, o);
export const removeProduct = (show: string, id: string, o?: CallOptions) =>
  api<void>("DELETE", `/shows/${enc(show)}/products/${enc(id)}`, undefined, o);
/** `pressedAt`: when the creator pressed, in whole ms of the server's clock; undefined: now. */
export const putPin = (show: string, product: string | null, pressedAt?: number, o?: CallOptions) =>
  api<unknown>("PUT", `/shows/${enc(show)}/pin`, { product, pinned_at: pressedAt }, o);
export const getSales = (show: string, o?: CallOptions) => api<Sales>("GET", `/shows/${enc(show)}/sales`, undefined, o);


/** `lasts_s` 10 to 86,400; `starts_at` null: now; `cap` 0: no cap. Replaces the variant's present flash price. */
export const putFlashPrice = (
  show: string,
  id: string,
  body: Schemas["PutFlash"],
  o?: CallOptions,
) => api<Schemas["MadeFlash"]>("PUT", `/shows/${enc(show)}/flash-prices/${enc(id)}`, body, o);
export const endFlashPrice = (show: string, id: string, o?: CallOptions) =>
  api<void>("DELETE", `/shows/${enc(show)}/flash-prices/${enc(id)}`, undefined, o);
/** The same id moves a release until it has opened; `opens_at` null opens it now. */
export const putDrop = (show: string, id: string, body: Schemas["PutDropRequest"], o?: CallOptions) =>
  api<Drop>("PUT", `/shows/${enc(show)}/drops/${enc(id)}`, body, o);

// What brands supply

export const showBrands = (show: string, o?: CallOptions) => api<Schemas["Brands"]>("GET", `/shows/${enc(show)}/brands`, undefined, o);
export const addBrand = (show: string, email: string, o?: CallOptions) =>
  api<Schemas["Brands"]>("PUT", `/shows/${enc(show)}/brands`, { email }, o);
export const removeBrand = (show: string, account: string, o?: CallOptions) =>
  api<void>("DELETE", `/shows/${enc(show)}/brands/${enc(account)}`, undefined, o);
/** Shows that the caller may stock, not ended, newest first. */
export const suppliedShows = (cursor?: string | null, o?: CallOptions) =>
  api<ShowPage>("GET", `/shows/supplied${cursor ? `?cursor=${enc(cursor)}` : ""}`, undefined, o);
/** Sets the units of a variant of one's own in a show, and puts its product on the run sheet. */
export const putStock = (show: string, variant: string, units: number, o?: CallOptions) =>
  api<Product>("PUT", `/shows/${enc(show)}/stock/${enc(variant)}`, { units }, o);
export const myProducts = (cursor?: string | null, o?: CallOptions) =>
  api<BrandProductPage>("GET", `/products/mine${cursor ? `?cursor=${enc(cursor)}` : ""}`, undefined, o);
/** Variants left out stay as they are. */
export const putBrandProduct = (
  id: string,
  body: Schemas["SaveProduct"],
  o?: CallOptions,
) => api<BrandProduct>("PUT", `/products/${enc(id)}`, body, o);
/** Paid orders with products of mine, the newest first. */
export const soldOrders = (cursor?: string | null, o?: CallOptions) =>
  api<Schemas["SoldOrders"]>("GET", `/orders/sold${cursor ? `?cursor=${enc(cursor)}` : ""}`, undefined, o);
/** PNG, JPEG or WebP of at most 2 MiB; the same picture again has the same address. */
export const postPicture = (picture: Blob, key: string, o?: CallOptions) =>
  api<Schemas["AddPicture"]>("POST", `/pictures`, picture, { timeoutMs: 60_000, ...o, idempotencyKey: key });

// Buying

export const putHold = (id: string, body: Schemas["PutHoldRequest"], o?: CallOptions) =>
  api<Hold>("PUT", `/holds/${enc(id)}`, body, o);
export const getHold = (id: string, o?: CallOptions) => api<Hold>("GET", `/holds/${enc(id)}`, undefined, o);
export const releaseHold = (id: string, o?: CallOptions) => api<void>("DELETE", `/holds/${enc(id)}`, undefined, o);
export const putOrder = (id: string, body: Schemas["Pay"], o?: CallOptions) =>
  api<Order>("PUT", `/orders/${enc(id)}`, body, o);
export const getOrder = (id: string, link?: string | null, o?: CallOptions) =>
  api<Order>("GET", `/orders/${enc(id)}${link ? `?link=${enc(link)}` : ""}`, undefined, o);
