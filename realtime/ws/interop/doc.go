// Package interop runs clients that others wrote against our WebSocket.
//
// # Overview
//
// The programs beside it are thin and know nothing of our protocol: ws_client.js
// drives the unmodified npm package ws, websockets_client.py Debian's
// python3-websockets. Each carries out the lines it reads (open, send, ping,
// close) and says what came of it (opened, text, pong, closed, refused). What
// is to be said, and what must be answered, stands once, in the test, and is
// the same for all of them. Both offer compression by themselves, and get it.
//
// # Needs
//
// `npm ci` in this folder, and the Debian packages python3-websockets and
// nodejs. A tool that is missing fails the test: an interoperability that was
// not tried is none.
//
// # Dependencies
//
// There is no code but tests; they import realtime, ws and bus.
package interop
