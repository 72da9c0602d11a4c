import "./states.css";

/** Something is under way; with a label it is said aloud too. */
export function Spinner({ label }: { label?: string }) {
  return (
    <span class="spinner" role={label ? "status" : undefined}>
      {label && <span class="sr-only">{label}</span>}
    </span>
  );
}
