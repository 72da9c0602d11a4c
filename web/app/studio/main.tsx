import { render } from "preact";
import type { JSX } from "preact";
import "../shared/base.css";
import "../shared/ui";
import "../shared/back/back.css";
import "./desk.css";
import "./flash.css";
import { Gate, type Door } from "../shared/back/Gate";
import { ListPage } from "./ListPage";
import { ShowPage } from "./ShowPage";

const STUDIO: Door = {
  role: "creator",
  place: "The studio",
  guest: { title: "Your stage is one sign-in away", text: "Go live from this browser or from OBS, pin what you sell, and watch it go." },
  other: {
    title: "The studio is for creators",
    text: ({ name }) => `You are signed in as ${name}, who does not run shows. To run shows of your own, sign up as a creator with another e-mail address.`,
  },
  join: "Become a creator",
};

/** /studio lists, /studio/{show} runs one. Moving between them is a page load: a live camera never hides in a back button. */
function Studio(): JSX.Element {
  const id = /^\/studio\/([^/]+)\/?$/.exec(location.pathname)?.[1];
  return <Gate door={STUDIO}>{(me) => (id ? <ShowPage id={decodeURIComponent(id)} me={me} /> : <ListPage me={me} />)}</Gate>;
}

const root = document.getElementById("page");
if (root) render(<Studio />, root);
