// Buttons and fields. A busy button keeps its width and its focus, and tells a screen reader that it works.

import type { PartialAnchorHTMLAttributes, ButtonHTMLAttributes, ComponentChildren, PartialInputHTMLAttributes } from "preact";
import { useId } from "preact/hooks";
import { Spinner } from "./spinner";
import "./controls.css";

/** "buy" is the one saffron block of a screen; everything else is primary (ink), plain or danger. */
export type Tone = "buy" | "primary" | "plain" | "quiet" | "danger";

type ButtonProps = Omit<ButtonHTMLAttributes<HTMLButtonElement>, "class" | "size"> & {
  tone?: Tone;
  busy?: boolean;
  wide?: boolean;
  class?: string;
  children?: ComponentChildren;
};

export function Button({ tone = "plain", busy = false, wide = false, class: extra = "", children, onClick, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      class={`btn btn-${tone}${wide ? " btn-wide" : ""} ${extra}`}
      aria-busy={busy}
      // aria-disabled keeps the focus where it is; `disabled` would throw it to the top of the page.
      aria-disabled={busy || rest["aria-disabled"]}
      onClick={(event) => {
        if (busy) event.preventDefault();
        else onClick?.call(event.currentTarget as never, event);
      }}
    >
      <span class="btn-label">{children}</span>
      {busy && (
        <span class="btn-spin">
          <Spinner />
        </span>
      )}
    </button>
  );
}

type LinkProps = Omit<PartialAnchorHTMLAttributes<HTMLAnchorElement>, "class" | "role"> & { href: string; tone?: Tone; wide?: boolean; class?: string };

export function LinkButton({ tone = "plain", wide = false, class: extra = "", children, ...rest }: LinkProps) {
  return (
    <a {...rest} class={`btn btn-${tone}${wide ? " btn-wide" : ""} ${extra}`}>
      <span class="btn-label">{children}</span>
    </a>
  );
}

/** A round button with a picture on it; the label is for those who do not see the picture. */
export function IconButton({ label, class: extra = "", children, ...rest }: ButtonProps & { label: string }) {
  return (
    <button type="button" {...(rest as ButtonHTMLAttributes<HTMLButtonElement>)} class={`icon-btn ${extra}`} aria-label={label} title={label}>
      {children}
    </button>
  );
}

type InputProps = Omit<PartialInputHTMLAttributes<HTMLInputElement>, "class" | "label" | "value" | "type" | "role" | "onInput"> & {
  label: string;
  type?: "text" | "email" | "password" | "number" | "datetime-local" | "search" | "tel" | "url";
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  /** Stands inside the field before what is typed: a currency, a hash. */
  before?: string;
  class?: string;
};

/** What a typed field needs to be told from others, and to be explained and corrected aloud. */
interface FrameProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | null | undefined;
  class?: string;
}

/** Label, hint and error around one control, which gets the attributes that tie them together. */
export function Framed({ label, hint, error, class: extra = "", children }: FrameProps & { children: (tie: { id: string; "aria-invalid"?: true; "aria-describedby"?: string }) => ComponentChildren }) {
  const id = useId();
  const described = [hint ? `${id}-hint` : "", error ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div class={`field${error ? " field-wrong" : ""} ${extra}`}>
      <label for={id}>{label}</label>
      <div class="field-box">{children({ id, ...(error ? { "aria-invalid": true as const } : {}), ...(described ? { "aria-describedby": described } : {}) })}</div>
      {hint && (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

export function Field({ label, value, onInput, hint, error, before, class: extra, ...rest }: InputProps) {
  return (
    <Framed label={label} hint={hint} error={error} {...(extra ? { class: extra } : {})}>
      {(tie) => (
        <>
          {before && <span aria-hidden="true">{before}</span>}
          <input {...(rest as { type?: "text" })} {...tie} value={value} onInput={(event) => onInput(event.currentTarget.value)} />
        </>
      )}
    </Framed>
  );
}

type AreaProps = FrameProps & { value: string; onInput: (value: string) => void; rows?: number; maxLength?: number; name?: string };

export function TextArea({ label, value, onInput, hint, error, rows = 3, ...rest }: AreaProps) {
  return (
    <Framed label={label} hint={hint} error={error}>
      {(tie) => <textarea {...rest} {...tie} rows={rows} value={value} onInput={(event) => onInput(event.currentTarget.value)} />}
    </Framed>
  );
}

export interface Option {
  value: string;
  label: string;
}

export function Select({ label, value, options, onChange, disabled = false }: { label: string; value: string; options: Option[]; onChange: (value: string) => void; disabled?: boolean }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-box">
        <select id={id} value={value} disabled={disabled} onChange={(event) => onChange(event.currentTarget.value)}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
}
