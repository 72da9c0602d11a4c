import type { LedgerRow } from "../../shared/api";

const BUCKETS: Record<LedgerRow["origin"], string> = { supply: "out of the show", available: "available", held: "held", paying: "being paid", sold: "sold" };

const KINDS: Record<Exclude<LedgerRow["kind"], "opening" | "edit">, string> = {
  supply: "Set aside for the show",
  withdraw: "Taken back by the seller",
  hold: "Held for buyers",
  pay: "Payment began",
  sell: "Sold",
  decline: "Payment declined, still held",
  release: "Given back",
  expire: "Time to pay ran out",
};

/** What happened, in plain words. */
export function whatHappened({ kind, origin, target, holds }: LedgerRow): string {
  if (kind === "opening") return target === "available" ? "There when the ledger began" : `There when the ledger began: ${BUCKETS[target]}`;
  if (kind === "edit") return `Corrected by hand: ${BUCKETS[origin]}, now ${BUCKETS[target]}`;
  if (kind === "hold" && holds === 1) return "Held for a buyer";
  return KINDS[kind];
}

export const unitsOf = (n: number): string => (n === 1 ? "1 unit" : `${n.toLocaleString()} units`);

/** What of a hash one can compare at a glance. */
export const short = (hash: string): string => `${hash.slice(0, 12)}…`;
