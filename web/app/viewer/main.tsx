// The viewer's document: picks the page of the address and loads its part of the program.

import { render, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Spinner } from "../shared/ui/spinner";
import { ErrorState } from "../shared/ui/states";
import { whoAmI } from "../shared/session";
import { followLinks, route, type Route } from "./route";
import "../shared/base.css";
import "./frame.css";

// Each page takes the route of its own name.
type Page = ComponentType<{ route: any }>;

const pages: Record<Route["page"], () => Promise<{ default: Page }>> = {
  home: () => import("./home/HomePage"),
  watch: () => import("./watch/WatchPage"),
  ledger: () => import("./ledger/LedgerPage"),
  order: () => import("./order/OrderPage"),
  signin: () => import("./account/SignInPage"),
  signup: () => import("./account/SignUpPage"),
  account: () => import("./account/AccountPage"),
  forgot: () => import("./account/ForgotPage"),
  reset: () => import("./account/ResetPage"),
  missing: () => import("./MissingPage"),
};

const loaded = new Map<string, Page>();

function App() {
  const now = route.value;
  const [, redraw] = useState(0);
  const [failed, setFailed] = useState<unknown>(null);
  const page = loaded.get(now.page);

  useEffect(() => {
    if (page) return;
    setFailed(null);
    let left = false;
    pages[now.page]().then(
      (module) => {
        loaded.set(now.page, module.default);
        if (!left) redraw((n) => n + 1);
      },
      (error: unknown) => !left && setFailed(error),
    );
    return () => {
      left = true;
    };
  }, [now.page, page]);

  // A part that is gone belongs to an older release: loading the document again brings the new one.
  if (failed) return <ErrorState whole title="This page did not load" error={failed} onRetry={() => location.reload()} />;
  if (!page)
    return (
      <div class="page-wait">
        <Spinner label="Loading" />
      </div>
    );
  const Page = page;
  // The key makes another show another page, not an altered one.
  return <Page key={JSON.stringify(now)} route={now} />;
}

followLinks();
// Asked before any page needs it. A failure is shown by whoever needs the answer.
whoAmI().catch(() => undefined);
render(<App />, document.getElementById("page")!);
