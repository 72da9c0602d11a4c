// Package client is a viewer's line in Go, a WebSocket or, where those are
// blocked, an event stream: it joins a room, keeps the room's state, comes back
// after any loss, and knows the server's clock. Load and tests watch shows with
// it.
//
// # Overview
//
// Client.Run dials, joins and reads until its context ends or the server says
// that coming again is of no use. State follows the rule of protocol.md: of
// two events with one type and key the higher version stands; a snapshot
// takes away what it does not name. Sampled events are handed on, each once.
// Call asks the server for something and waits for its answer, over lost
// connections too.
//
// # Concurrency and lifecycle
//
// Run is the only reader and calls Config.OnEvent, OnSample, OnFrame and OnMe, which
// must not wait for a Call. It has one more goroutine per connection, which
// asks for the time, and with an event stream two that post what is said; Run
// waits for them. All other methods may be called by anybody.
//
// # Invariants
//
//   - Versions of a key only rise, over reconnects and snapshots too.
//   - Waits before coming again are drawn evenly from zero to the limit, so
//     that viewers who were lost together do not return together. A server that
//     says when to come is obeyed.
//   - It does not matter for all else which way the line came.
//
// # Dependencies
//
// realtime, gorilla/websocket.
package client
