// Package interop runs clients that others wrote against our WHIP and WHEP.
//
// # Overview
//
// The programs beside it are thin: publish.js and watch.js drive the unmodified
// npm packages whip-whep and @roamhq/wrtc (libwebrtc), aiortc_client.py drives
// Debian's python3-aiortc, which has a WebRTC stack of its own. curl asks for
// the statuses of RFC 9725. A client says on standard output what it has done,
// and ends when its standard input is closed.
//
// # Needs
//
// `npm ci` in this folder, and the Debian packages python3-aiortc, curl and
// nodejs. A tool that is missing fails the test: an interoperability that was
// not tried is none.
//
// # Dependencies
//
// There is no code but tests; they import whiptest, client and mediatest.
package interop
