// The API for developers, as the server describes it. The only page with a library's own look, so it is a document of its
// own with a policy of its own, and nobody who watches or sells loads a byte of it.

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./docs.css";

/** The library is told of the scheme by a class. */
function followScheme(): void {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = (): void => void document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();
}

followScheme();
SwaggerUI({
  url: "/api/v1/openapi.json",
  domNode: document.getElementById("page"),
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  showExtensions: true,
  // Their server would be sent the document to be judged.
  validatorUrl: null,
});
