// Package realtime carries what happens in a show to every page that watches
// it: the creator pins a pan, a price changes, the last unit goes.
//
// # Overview
//
// A Room is a show's audience on one node. Everything public that happens in
// the show is written once, as a ready WebSocket frame, into the room's ring;
// a viewer costs a cursor into that ring and not a queue of copies. Events
// come from the bus alone, on one node too, so that a second node changes
// nothing. The room keeps the newest event of each (type, key): that state is
// what a viewer gets on joining, and it follows the events from there on.
//
// Two classes of event travel. A lossless event is written at once and keeps
// its place in the order. A latest-value event is merged with others of its
// key and written once per tick, its last value always; an urgent one (sold
// out) does not wait for the tick.
//
// # Concurrency
//
//	goroutine       one per   started by      ends when
//	Hub.Run         hub       the program     its context ends and all below have ended
//	room.run        room      Hub             the room was empty for Config.Linger, or the hub ends
//	writer.run      core      Hub.Run         the hub ends
//	sweep           hub       Hub.Run         the hub ends
//	reader          viewer    Hub.Go (by ws)  the socket is gone
//	Conn.unblock    stalled   pump            the viewer caught up, or its socket is gone
//	                viewer
//
// A writer never waits for a socket: it offers bytes to the kernel, and a
// viewer whose buffer is full is parked. A parked viewer has a goroutine of
// its own for as long as it stalls, which writes with a deadline and gives the
// viewer back to the writer when it has caught up.
//
// Lock order: Hub.mu, then shard.mu, then Conn.mu, then room.mu. No lock is
// held while a socket may block or while a port (Snapshot, Authenticate) runs.
//
// # Lifecycle
//
// NewHub, then Run. Drain asks the viewers to go elsewhere, spread over a
// window; cancelling Run's context closes who is left.
//
// # Invariants
//
//   - A frame with offset o leaves its viewer with everything up to o: offsets
//     of frames in a ring only rise, and resuming means "what follows o".
//   - A lossless event is never skipped silently: a viewer who cannot be given
//     it gets a snapshot that contains it, or is closed with "reconnect".
//   - The version of a (type, key) only rises.
//   - A revocation finds every viewer that was let in before it, also one whose
//     authentication was under way.
//
// # Dependencies
//
// The root imports no sub-package. ws brings sockets, bus brings events;
// client is a viewer in Go. The wire is described in protocol.md.
package realtime
