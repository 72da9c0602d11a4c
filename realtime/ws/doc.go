// Package ws is realtime's door: it upgrades HTTP requests to WebSockets,
// reads what pages send, and guards against those who send too much.
//
// # Overview
//
// Handler checks origin and capacity before the upgrade. The page's first
// message is a join; Config.Authenticate turns it and the request's cookies
// into an Identity. After that a page may ask for the time (ping) and call:
// Config.Call does what it asks for and says what to answer. Everything that is written to pages is written by realtime.Conn in
// ready frames; gorilla/websocket upgrades and reads, and writes nothing: its
// own answers to pings, closes and broken frames are taken away from it, since
// they could land in the middle of one of our frames.
//
// # Concurrency and lifecycle
//
// Each socket has one goroutine, its reader, which belongs to the Hub
// (Hub.Go). The HTTP handler returns after the upgrade, so that its stack and
// buffers are freed. Hub.Run waits for the readers.
//
// # Invariants
//
//   - No token is read from a URL, and none is logged.
//   - Compression is off: a frame costs its viewer no more memory than it says.
//   - What a page sends is bounded in bytes, messages and control frames, also
//     in pieces of a message that never ends.
//   - A socket that has not joined within JoinTimeout is closed.
//   - A page has one call under way at most, and that for no longer than
//     CallTimeout; a page that is being closed has none any more.
//
// # Dependencies
//
// realtime, gorilla/websocket, net/http.
package ws
