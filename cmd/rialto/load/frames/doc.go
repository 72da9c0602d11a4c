// Package frames is a crowd of WebSocket clients at the least cost to whoever serves them, for the benches.
//
// # Overview
//
// A client is a TCP socket, an upgrade of RFC 6455 written by hand, one first message, and a parser of frames, which a
// server does not mask. One goroutine serves all: whoever calls Open and Read. It looks at the sockets that have something
// (epoll, edge-triggered) every millisecond and never waits for one: on one machine the sender would pay for waking it.
//
// crowd.go opens and reads, parse.go knows the protocol.
//
// # Concurrency and lifecycle
//
// There are no goroutines. A Crowd belongs to one goroutine, which ends it with Close.
//
// # Invariants
//
// What is kept for a client is bounded by MaxFrame. On loopback every client has an address of its own out of
// 127.1.0.0/16, since servers count per address.
//
// # Dependencies
//
// golang.org/x/sys. Linux only.
package frames
