import { useMemo, useState } from "preact/hooks";
import { signUp, type Role } from "../../shared/api";
import { ApiError, untilAnswered } from "../../shared/http";
import { newId } from "../../shared/ids";
import { askAgain } from "../../shared/session";
import { Button, Field } from "../../shared/ui/controls";
import { Banner } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { goAnywhere, nextPage } from "../route";

const MIN_PASSWORD = 10;

const asked = (role: Role): boolean => new URLSearchParams(location.search).get("role") === role;

const rolesOf = (sells: boolean, supplies: boolean): Role[] => ["viewer", ...(sells ? (["creator"] as const) : []), ...(supplies ? (["brand"] as const) : [])];

export default function SignUpPage() {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [sells, setSells] = useState(() => nextPage("/").startsWith("/studio") || asked("creator"));
  const [supplies, setSupplies] = useState(() => nextPage("/").startsWith("/brand") || asked("brand"));
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [short, setShort] = useState(false);
  // One id for this form, whatever how often it is sent: a lost answer must not make a second account.
  const id = useMemo(() => newId("acc"), []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setShort(password.length < MIN_PASSWORD);
    if (busy || password.length < MIN_PASSWORD) return;
    setBusy(true);
    setFailed(null);
    try {
      await untilAnswered(() => signUp({ id, name: name.trim(), email: email.trim(), password, roles: rolesOf(sells, supplies) }), 3);
      await askAgain();
      goAnywhere(nextPage(sells ? "/studio" : supplies ? "/brand" : "/"));
    } catch (error) {
      setFailed(error instanceof ApiError ? error : new ApiError(0, "page_error", "That did not work. Please try again."));
      setBusy(false);
    }
  };

  return (
    <Frame title="Make an account" narrow>
      <div class="stack">
        <h1>Make an account</h1>
        {failed && (
          <Banner tone="error" code={failed.code}>
            {failed.message}
          </Banner>
        )}
        <form class="panel" onSubmit={(event) => void submit(event)}>
          <Field label="Your name" name="name" autocomplete="name" required maxLength={80} value={name} onInput={setName} hint="Shown in your shows and beside your questions." />
          <Field label="E-mail" type="email" name="email" autocomplete="username" required maxLength={254} value={email} onInput={setEmail} />
          <Field
            label="Password"
            type="password"
            name="password"
            autocomplete="new-password"
            required
            maxLength={256}
            value={password}
            onInput={setPassword}
            hint={`At least ${MIN_PASSWORD} characters. A few words are easier to keep than one strange one.`}
            error={short && password.length < MIN_PASSWORD ? `${MIN_PASSWORD - password.length} more to go` : null}
          />
          <label class="tick">
            <input type="checkbox" checked={sells} onChange={(event) => setSells(event.currentTarget.checked)} />
            <span>I want to go live and sell, too</span>
          </label>
          <label class="tick">
            <input type="checkbox" checked={supplies} onChange={(event) => setSupplies(event.currentTarget.checked)} />
            <span>I supply products to shows, as a brand</span>
          </label>
          <Button tone="primary" wide type="submit" busy={busy}>
            Make the account
          </Button>
        </form>
        <p>
          Have one already? <a href={`/signin${location.search}`}>Sign in</a>.
        </p>
      </div>
    </Frame>
  );
}
