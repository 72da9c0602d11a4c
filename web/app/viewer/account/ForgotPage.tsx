import { useEffect, useRef, useState } from "preact/hooks";
import { askReset } from "../../shared/api";
import { ApiError, isCode, untilAnswered } from "../../shared/http";
import { me } from "../../shared/session";
import { Button, Field } from "../../shared/ui/controls";
import { Banner } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { waitWords } from "./words";

/** A lost answer costs one of the few mails that a mailbox may be sent: asked once more, not often. */
const TRIES = 2;

export default function ForgotPage() {
  const [email, setEmail] = useState("");
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<ApiError | null>(null);
  const [asked, setAsked] = useState("");

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setFailed(null);
    try {
      await untilAnswered(() => askReset(email.trim()), TRIES);
      setAsked(email.trim());
    } catch (error) {
      setFailed(error instanceof ApiError ? error : new ApiError(0, "page_error", "That did not work. Please try again."));
    }
    setBusy(false);
  };

  if (asked) return <Asked email={asked} again={() => setAsked("")} />;
  const wrong = failed && isCode(failed, "email_invalid") ? "An e-mail address, like ana@example.com." : null;
  return (
    <Frame title="Forgot your password?" narrow>
      <div class="stack">
        <div>
          <h1>Forgot your password?</h1>
          <p class="lead">We mail you a link, and you choose a new one.</p>
        </div>
        {failed && !wrong && <Banner tone="error">{wordsFor(failed)}</Banner>}
        <form class="panel" onSubmit={(event) => void submit(event)}>
          <Field label="E-mail of your account" type="email" name="email" autocomplete="username" required maxLength={254} value={email} onInput={setEmail} error={wrong} />
          <Button tone="primary" wide type="submit" busy={busy}>
            Mail me a link
          </Button>
        </form>
        <p>
          It came back to you? <a href={`/signin${location.search}`}>Sign in</a>.
        </p>
      </div>
    </Frame>
  );
}

/** The same words whether or not there is such an account: who asks must not learn who has one. */
function Asked({ email, again }: { email: string; again: () => void }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => title.current?.focus(), []);
  return (
    <Frame title="Look into your mail" narrow>
      <div class="stack">
        <div>
          <h1 ref={title} tabIndex={-1}>
            Look into your mail
          </h1>
          <p class="lead">
            If there is an account of <b>{email}</b>, a link to a new password is on its way to it. It works once, for an hour.
          </p>
        </div>
        {me.value?.mailbox && (
          <Banner>
            Rialto is being tried out here, so the mail waits in <a href="/mailbox">the mailbox</a>.
          </Banner>
        )}
        <p>Nothing there after a few minutes? Look among the unwanted mail, and check the address.</p>
        <div>
          <Button onClick={again}>Use another address</Button>
        </div>
      </div>
    </Frame>
  );
}

function wordsFor(error: ApiError): string {
  if (isCode(error, "mail_unavailable")) return "No mail can be sent from here, so no link either. Ask whoever runs this shop for help with your account.";
  if (isCode(error, "too_many_attempts")) return `Some links were asked for already. Look into your mail; for another one please wait ${waitWords(error)}.`;
  return error.message;
}
