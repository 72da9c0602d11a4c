import { addressLines } from "../../shared/address";
import type { Address } from "./calls";

/** An address as on a letter. */
export function AddressBlock({ address }: { address: Address }) {
  return (
    <address class="address-block">
      {addressLines(address).map((line, i) => (
        <span key={i}>{line}</span>
      ))}
    </address>
  );
}
