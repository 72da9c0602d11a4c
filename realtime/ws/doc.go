// Package ws is realtime's door: it upgrades HTTP requests to WebSockets,
// reads what pages send, and guards against those who send too much.
//
// # Overview
//
// Handler checks origin and capacity before the upgrade, and lets pages in at
// the rate the machine holds: a crowd that comes at once, after a drain or the
// death of a node, waits in a short line or is sent away for some seconds, so
// that those who watch do not notice. The page's first
// message is a join; Config.Authenticate turns it and the request's cookies
// into an Identity. After that a page may ask for the time (ping) and call:
// Config.Call does what it asks for and says what to answer. Everything that is written to pages is written by realtime.Conn in
// ready frames, and read by an inbox, which knows RFC 6455 section 5 and is
// there only while the page says something. gorilla/websocket upgrades, and is let
// go: it would keep a goroutine and buffers for each page that is silent, and its own
// answers to pings, closes and broken frames could land in the middle of one of
// our frames.
//
// Where WebSockets are blocked, ServeEvents gives the same room as an event
// stream: an answer without an end, and requests for what the page says (page
// is what both ways share). Over HTTP/1.1 the stream takes the connection over
// and is written like a socket; over HTTP/2 a goroutine writes it.
//
// # Concurrency and lifecycle
//
// Each socket has one reader, which belongs to the Hub: a goroutine until the page
// has joined (Hub.Go), and then whenever it says something (Conn.Rest); under TLS
// and outside of Linux it is there all the time. What it holds of a page between
// two messages is nothing. The HTTP handler returns after the upgrade, so that its
// stack and buffers are freed. Hub.Run waits for the readers. An event stream has
// one, too, which is always there and reads only that the page has gone; over HTTP/2
// the handler waits for it. What a page posts is done by the request that brings it.
//
// # Invariants
//
//   - No token is read from a URL, and none is logged.
//   - What comes compressed is inflated up to the limit of a message and no
//     further, and message by message: nothing is kept between two.
//   - No byte of a page is held while nobody reads it, and what read it is never
//     used for another page with something of it left.
//   - What a page sends is bounded in bytes, messages and control frames, also
//     in pieces of a message that never ends.
//   - A socket that has not joined within JoinTimeout is closed, earlier when
//     others need its place. How many there are is bounded, of one address too.
//   - A page has one call under way at most, and that for no longer than
//     CallTimeout; a page that is being closed has none any more.
//   - Over an event stream speaks who opened it: its id is not to be guessed, and
//     other cookies are looked up before a word is read.
//
// # Dependencies
//
// realtime, gorilla/websocket, net/http.
package ws
