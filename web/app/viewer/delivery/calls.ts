// What is asked of the server about delivery. In a file of its own, so that a page that sells nothing does not load it.

import { api, type Address, type CallOptions } from "../../shared/api";
import type { Schemas } from "../../shared/api.gen";

/** Where a parcel goes: one line of text each, `country` and `region` as codes. */
export type { Address };
export type Country = Schemas["Country"];
export type Countries = Schemas["Countries"];
export type Costs = Schemas["Costs"];

/** What costs depend on. */
export type Destination = Pick<Address, "country" | "region">;

export const getCountries = (o?: CallOptions) => api<Countries>("GET", `/delivery/countries`, undefined, o);
export const getCosts = (hold: string, to: Destination, o?: CallOptions) =>
  api<Costs>("GET", `/holds/${encodeURIComponent(hold)}/costs?${new URLSearchParams({ ...to })}`, undefined, o);
export const getMyAddress = (o?: CallOptions) => api<Schemas["KeptAddress"]>("GET", `/me/address`, undefined, o);
export const putMyAddress = (address: Address, o?: CallOptions) => api<Schemas["KeptAddress"]>("PUT", `/me/address`, address, o);
export const deleteMyAddress = (o?: CallOptions) => api<void>("DELETE", `/me/address`, undefined, o);
