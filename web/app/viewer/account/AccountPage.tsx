import { useEffect, useState } from "preact/hooks";
import { changePassword, renameMe, signOut, type Account } from "../../shared/api";
import { askAgain, me, whoAmI } from "../../shared/session";
import { Button, Field, LinkButton } from "../../shared/ui/controls";
import { Spinner } from "../../shared/ui/spinner";
import { ErrorState } from "../../shared/ui/states";
import { Frame } from "../Frame";
import { go } from "../route";
import { AddressPanel } from "./AddressPanel";
import { useTask } from "./task";

export default function AccountPage() {
  const [failed, setFailed] = useState<unknown>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    setFailed(null);
    whoAmI().then(({ account }) => {
      if (!account) go("/signin?next=/account", true);
    }, setFailed);
  }, [round]);

  const account = me.value?.account;
  return (
    <Frame title="Your account" narrow>
      {account ? (
        <AccountView account={account} />
      ) : failed ? (
        <ErrorState whole error={failed} onRetry={() => setRound((n) => n + 1)} />
      ) : (
        <div class="page-wait">
          <Spinner label="Loading your account" />
        </div>
      )}
    </Frame>
  );
}

function AccountView({ account }: { account: Account }) {
  const [name, setName] = useState(account.name);
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const rename = useTask(async () => {
    await renameMe(name.trim());
    await askAgain();
    return "Your name is changed.";
  });
  const password = useTask(async () => {
    await changePassword(old, fresh);
    setOld("");
    setFresh("");
    return "Your password is changed. Other devices were signed out.";
  });
  const leave = useTask(async () => {
    await signOut();
    await askAgain();
    go("/");
    return "";
  });
  return (
    <div class="stack">
      <div>
        <h1>Your account</h1>
        <p class="lead">{account.email}</p>
      </div>
      {account.roles.includes("creator") && (
        <LinkButton tone="primary" href="/studio">
          Open the studio
        </LinkButton>
      )}
      {account.roles.includes("brand") && (
        <LinkButton tone={account.roles.includes("creator") ? "plain" : "primary"} href="/brand">
          Your products, stock and releases
        </LinkButton>
      )}
      <form class="panel" onSubmit={rename.submit} aria-labelledby="name-title">
        <h2 id="name-title">Name</h2>
        {rename.told}
        <Field label="Your name" name="name" autocomplete="name" required maxLength={80} value={name} onInput={setName} />
        <Button type="submit" busy={rename.busy}>
          Change the name
        </Button>
      </form>
      <AddressPanel name={account.name} />
      <form class="panel" onSubmit={password.submit} aria-labelledby="password-title">
        <h2 id="password-title">Password</h2>
        {password.told}
        <input class="sr-only" type="text" name="username" autocomplete="username" value={account.email} readOnly tabIndex={-1} aria-hidden="true" />
        <Field label="Password now" type="password" name="old" autocomplete="current-password" required maxLength={256} value={old} onInput={setOld} />
        <Field label="New password" type="password" name="new" autocomplete="new-password" required minLength={10} maxLength={256} value={fresh} onInput={setFresh} hint="At least 10 characters." />
        <Button type="submit" busy={password.busy}>
          Change the password
        </Button>
      </form>
      {leave.told}
      <form onSubmit={leave.submit}>
        <Button type="submit" busy={leave.busy}>
          Sign out
        </Button>
      </form>
    </div>
  );
}
