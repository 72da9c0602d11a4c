import { render } from "preact";
import type { JSX } from "preact";
import "../shared/base.css";
import "../shared/ui";
import "../shared/back/back.css";
import "./brand.css";
import { Gate, type Door } from "../shared/back/Gate";
import type { Me } from "../shared/api";
import { HomePage } from "./HomePage";
import { OrdersPage } from "./OrdersPage";
import { ShowPage } from "./ShowPage";

const BRAND: Door = {
  role: "brand",
  place: "Your brand’s page",
  guest: { title: "Your products, in other people’s shows", text: "Keep your products here, stock the shows that invite you, and open sales at an exact time." },
  other: {
    title: "This page is for brands",
    text: ({ name, email }) => `You are signed in as ${name} (${email}), who does not supply products. To do so, make a brand account with another e-mail address.`,
  },
  join: "Make a brand account",
};

/** /brand keeps products and lists shows, /brand/orders lists what was sold, /brand/{show} supplies a show. */
function Brand(): JSX.Element {
  const id = /^\/brand\/([^/]+)\/?$/.exec(location.pathname)?.[1];
  return (
    <Gate door={BRAND}>
      {(me) => (
        <>
          <Top me={me} />
          {id === "orders" ? <OrdersPage me={me} /> : id ? <ShowPage id={decoded(id)} me={me} /> : <HomePage me={me} />}
        </>
      )}
    </Gate>
  );
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A broken escape names nothing that exists; the server says so.
  }
}

function Top({ me }: { me: Me }): JSX.Element {
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="br-top">
        <a class="br-top__home" href="/">
          <img src="/img/logo.svg" alt="" width="32" height="32" />
          Rialto
        </a>
        {me.account?.roles.includes("creator") && (
          <a class="br-top__link" href="/studio">
            Studio
          </a>
        )}
        <a class="br-top__link" href="/account">
          <span>{me.account?.name}</span>
        </a>
      </header>
    </>
  );
}

const root = document.getElementById("page");
if (root) render(<Brand />, root);
