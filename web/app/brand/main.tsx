import { render } from "preact";
import type { JSX } from "preact";
import "../shared/base.css";
import { Top } from "../shared/ui";
import "../shared/back/back.css";
import "./brand.css";
import { Gate, type Door } from "../shared/back/Gate";
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
          <Top>
            {me.account?.roles.includes("creator") && (
              <a class="top-link" href="/studio">
                Studio
              </a>
            )}
            <a class="top-link" href="/account">
              <span>{me.account?.name}</span>
            </a>
          </Top>
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

const root = document.getElementById("page");
if (root) render(<Brand />, root);
