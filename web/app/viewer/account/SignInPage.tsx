import { useState } from "preact/hooks";
import { signIn } from "../../shared/api";
import { ApiError, isCode } from "../../shared/http";
import { askAgain } from "../../shared/session";
import { Button, Field } from "../../shared/ui/controls";
import { Banner } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { goAnywhere, nextPage } from "../route";
import { waitWords } from "./words";

export default function SignInPage() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<ApiError | null>(null);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setFailed(null);
    try {
      await signIn(email.trim(), password);
      await askAgain();
      goAnywhere(nextPage("/"));
    } catch (error) {
      setFailed(error instanceof ApiError ? error : new ApiError(0, "page_error", "That did not work. Please try again."));
      setBusy(false);
    }
  };

  return (
    <Frame title="Sign in" narrow>
      <div class="stack">
        <h1>Sign in</h1>
        {failed && <Banner tone="error">{wordsFor(failed)}</Banner>}
        <form class="panel" onSubmit={(event) => void submit(event)}>
          <Field label="E-mail" type="email" name="email" autocomplete="username" required maxLength={254} value={email} onInput={setEmail} />
          <Field label="Password" type="password" name="password" autocomplete="current-password" required maxLength={256} value={password} onInput={setPassword} />
          <Button tone="primary" wide type="submit" busy={busy}>
            Sign in
          </Button>
        </form>
        <p>
          <a href={`/forgot${location.search}`}>Forgot your password?</a>
        </p>
        <p>
          New here? <a href={`/signup${location.search}`}>Make an account</a>. Watching and buying need none.
        </p>
      </div>
    </Frame>
  );
}

function wordsFor(error: ApiError): string {
  if (isCode(error, "credentials_wrong")) return "E-mail and password do not belong together. Please check both.";
  if (isCode(error, "too_many_attempts")) return `Too many tries. To protect the account, please wait ${waitWords(error)}.`;
  return error.message;
}
