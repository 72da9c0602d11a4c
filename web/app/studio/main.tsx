import { render } from "preact";
import type { JSX } from "preact";
import "../shared/base.css";
import "../shared/ui";
import "./studio.css";
import "./desk.css";
import { Gate } from "./Gate";
import { ListPage } from "./ListPage";
import { ShowPage } from "./ShowPage";

/** /studio lists, /studio/{show} runs one. Moving between them is a page load: a live camera never hides in a back button. */
function Studio(): JSX.Element {
  const id = /^\/studio\/([^/]+)\/?$/.exec(location.pathname)?.[1];
  return <Gate>{(me) => (id ? <ShowPage id={decodeURIComponent(id)} me={me} /> : <ListPage />)}</Gate>;
}

const root = document.getElementById("page");
if (root) render(<Studio />, root);
