import { useEffect, useRef, useState } from "preact/hooks";
import { redeemReset, type Account } from "../../shared/api";
import { ApiError, isCode } from "../../shared/http";
import { askAgain } from "../../shared/session";
import { Button, Field, LinkButton } from "../../shared/ui/controls";
import { Banner, Empty } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { waitWords } from "./words";

const MIN_PASSWORD = 10;

/**
 * The token of the mail's link, which leaves the address bar at once: not in the history, not in a screenshot, not in what
 * is copied. It is kept in this page alone, and given to the server alone, when the new password is.
 */
function takeToken(): string {
  const token = location.hash.slice(1);
  if (token) history.replaceState(null, "", "/reset");
  return token;
}

export default function ResetPage() {
  const [token, setToken] = useState(takeToken);
  const [account, setAccount] = useState<Account | null>(null);
  useEffect(() => {
    // Another link of a mail, opened in the same tab.
    const other = (): void => setToken((old) => takeToken() || old);
    addEventListener("hashchange", other);
    return () => removeEventListener("hashchange", other);
  }, []);
  if (account) return <Done account={account} />;
  if (token) return <Choose key={token} token={token} onDone={setAccount} />;
  return (
    <Frame title="A new password" narrow>
      <Empty whole title="Open the link of your mail" action={<LinkButton tone="primary" href="/forgot">Ask for a link</LinkButton>}>
        A new password is set by the link that was mailed to you. If this page was loaded again, open that link once more.
      </Empty>
    </Frame>
  );
}

function Choose({ token, onDone }: { token: string; onDone: (account: Account) => void }) {
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [short, setShort] = useState(false);
  const [failed, setFailed] = useState<ApiError | null>(null);
  /** An answer was lost: the password may have been set all the same. */
  const [unsure, setUnsure] = useState(false);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setShort(password.length < MIN_PASSWORD);
    if (busy || password.length < MIN_PASSWORD) return;
    setBusy(true);
    setFailed(null);
    try {
      const account = await redeemReset(token, password);
      // Who is signed in now is asked again by whoever needs it, also when this fails.
      await askAgain().catch(() => undefined);
      onDone(account);
    } catch (error) {
      const known = error instanceof ApiError ? error : new ApiError(0, "page_error", "That did not work. Please try again.");
      if (known.status === 0) setUnsure(true);
      setFailed(known);
      setBusy(false);
    }
  };

  if (failed && isCode(failed, "reset_invalid")) return <Spent unsure={unsure} />;
  const left = MIN_PASSWORD - password.length;
  const refused = failed && isCode(failed, "password_invalid") ? failed.message : null;
  return (
    <Frame title="A new password" narrow>
      <div class="stack">
        <h1>Choose a new password</h1>
        {failed && !refused && <Banner tone="error">{isCode(failed, "too_many_attempts") ? `Too many tries. Please wait ${waitWords(failed)}.` : failed.message}</Banner>}
        <form class="panel" onSubmit={(event) => void submit(event)}>
          <Field
            label="New password"
            type={shown ? "text" : "password"}
            name="password"
            autocomplete="new-password"
            autocapitalize="off"
            spellcheck={false}
            required
            maxLength={256}
            value={password}
            onInput={setPassword}
            hint={`At least ${MIN_PASSWORD} characters. A few words are easier to keep than one strange one.`}
            error={refused ?? (short && left > 0 ? `${left} more to go` : null)}
          />
          <label class="tick">
            <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
            <span>Show what I type</span>
          </label>
          <Button tone="primary" wide type="submit" busy={busy}>
            Set the password
          </Button>
        </form>
        <p class="lead">You are then signed in here, and signed out on every other device.</p>
      </div>
    </Frame>
  );
}

function Spent({ unsure }: { unsure: boolean }) {
  return (
    <Frame title="This link is used up" narrow>
      <Empty
        whole
        title="This link does not work any more"
        action={
          <LinkButton tone="primary" href="/forgot">
            Ask for a new link
          </LinkButton>
        }
      >
        {unsure ? (
          <>
            It works once, and an answer was lost on its way: your new password may be set already. <a href="/signin">Try to sign in</a> with it first.
          </>
        ) : (
          "It works once, for an hour, until a newer one is asked for."
        )}
      </Empty>
    </Frame>
  );
}

function Done({ account }: { account: Account }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  const creator = account.roles.includes("creator");
  const brand = account.roles.includes("brand");
  return (
    <Frame title="Your password is set" narrow>
      <div class="stack">
        <div>
          <h1 ref={title} tabIndex={-1}>
            Your new password is set
          </h1>
          <p class="lead">You are signed in as {account.name}. Every other device was signed out.</p>
        </div>
        {creator && (
          <LinkButton tone="primary" wide href="/studio">
            Open the studio
          </LinkButton>
        )}
        {brand && (
          <LinkButton tone={creator ? "plain" : "primary"} wide href="/brand">
            Your products, stock and releases
          </LinkButton>
        )}
        <LinkButton tone={creator || brand ? "plain" : "primary"} wide href="/">
          See what is live
        </LinkButton>
      </div>
    </Frame>
  );
}
