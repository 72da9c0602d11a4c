// Package web serves the pages: what a viewer, a buyer and a creator see.
//
// # Overview
//
// The pages are TypeScript under app/, built by Vite into static/app, which is
// not committed. `go build ./...` works without them: static/index.html is, and
// says how to build the rest. Five documents exist. The viewer's answers home,
// shows and their stock ledgers, orders and the account pages; the brand's keeps
// products, stock, releases and what was sold; the studio's alone may ask for camera and
// microphone; the docs draw the API's document with a library that others wrote
// (Swagger UI), and the mailbox shows mails as they look, each under a policy of
// its own. The mailbox is there only where mails are kept to be read. All are
// the same bytes for everybody: who somebody is, the page asks the API.
//
// What the API and the rooms say has its types from the server's own document:
// `npm run types` writes app/shared/api.gen.ts, which is not committed, and the
// type check does so first. So it fails when page and server disagree.
//
// # Concurrency and lifecycle
//
// Handler reads every file once and is immutable afterwards. Nothing runs.
//
// # Invariants
//
//   - No page of ours needs an inline script or style, and the policy forbids them;
//     docs and mailbox may have inline styles, since others write what they show.
//   - A file under /assets/ carries a hash of its content in its name, so it may
//     be kept for ever; a page may not, so that a release is seen at once.
//   - A page talks to its own origin and to the nodes of this house, nobody else.
//
// # Dependencies
//
// The standard library. The areas are reached over HTTP and WebSocket only.
package web
