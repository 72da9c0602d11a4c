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
// Three classes of event travel. A lossless event is written at once and keeps
// its place in the order. A latest-value event is merged with others of its
// key and written once per tick, its last value always; an urgent one (sold
// out) does not wait for the tick. A value without a version (how many watch)
// is like it, and what was heard last counts. A sampled event (chat, hearts)
// is shown while there is room. Realtime does not know what it means; the event
// itself says how it wants to be treated, in three words: Keep it for those who
// join, show it before others (Priority), or only Add it up. A tick shows so
// many of them, decides by lot among too many, and sends them in one frame of
// their own.
//
// A slow viewer goes down a ladder. First it is not shown sampled frames: those
// that wait for it are passed over, and it catches up on what counts. When the
// ring has overtaken it all the same, it gets a snapshot. When that was needed
// MaxJumps times in a minute, it is closed and asked to come again. Each rung
// is counted.
//
// An audience that comes at once, after a drain or the death of a node, reads no
// database but once per room, and those who go on from one place are greeted with
// the same bytes. At which rate it comes in is the door's to say (ws).
//
// What concerns one person alone does not travel through rooms. Tell announces
// a version of their private document, which their page reads elsewhere; a
// page may call, and gets its answer through the queue of its own socket.
//
// How many watch is counted by each hub for itself and told to the bus, which
// adds it up over all nodes and answers with a value in the room.
//
// # Concurrency
//
//	goroutine       one per   started by      ends when
//	Hub.Run         hub       the program     its context ends and all below have ended
//	room.run        room      Hub             the room was empty for Config.Linger, or the hub ends
//	writer.run      core      Hub.Run         the hub ends
//	sweep           hub       Hub.Run         the hub ends
//	census          hub       Hub.Run         the hub ends
//	reader          viewer    Hub.Go (by ws)  the viewer says nothing (Conn.Rest), or the socket is gone
//	                who says  or Conn.rouse
//	                something
//	Poller.run      hub       Hub.Run         all readers have ended
//	readiness.wait  2 a hub   Poller          the same; begun for the first who stalls, and for the first who rests
//	Conn.unblock    stalled   pump            the viewer caught up, or its socket is gone; only for
//	                viewer                    sockets that cannot tell when they take bytes
//	Conn.over       closed    Conn.close      a timer that ends the socket, unless the reader has: it may be
//	                viewer                    busy with a call, and nobody banned is waited for
//
// A writer never waits for a socket: it offers bytes to the kernel, and a
// viewer whose buffer is full is parked. Nothing is made ready for it from then
// on, and it costs a place in the Poller's table. The socket belongs to whoever
// owns it as before (ws, whose reader ends with Detach); the Poller owns the
// kernel's list (epoll) of those that are full and nothing else. It names them
// by the id of the connection, which no other ever has, goes on with each when
// it takes bytes, and drops those that took none for Config.WriteStall. What
// cannot tell (TLS, another system) is not Pollable: it has a goroutine for as
// long as it stalls, which writes with a deadline.
//
// A snapshot is made when a socket can take it, and then for all who need one
// (see joined): slow viewers hold places in it, no copies.
//
// A viewer who has joined and says nothing costs no goroutine and no buffer, only
// a place in another of the kernel's lists. When something comes, or when anybody
// closes the viewer, a reader goes on in a new goroutine until all is heard; the
// hub waits for those who rest as for those who read, so that each ends with
// Detach. Only Conn.Rest makes a viewer rest, and only while it is open; whoever
// closes it, or its socket, rouses its reader under Conn.mu. A frame begun keeps
// its reader, until DeadAfter at most. What cannot tell (TLS, another system, an
// event stream) is not Hearable and keeps its reader.
//
// A writer looks at the ring once for all viewers of a turn who stand at the
// same place in it, which are most (see view), and the rooms it serves take
// turns: a small one never waits for all of a large one.
//
// Lock order: Hub.mu, then shard.mu, then Conn.mu, then room.mu; registry,
// subjects and Poller have leaves. No lock is held while a socket may block or while a port (Snapshot, Authenticate) runs.
//
// # Lifecycle
//
// NewHub, then Run. Drain asks the viewers to go elsewhere, spread over a
// window; cancelling Run's context closes who is left.
//
// # Invariants
//
//   - A frame with offset o leaves its viewer with everything up to o: offsets
//     of frames in a ring never fall, and resuming means "what follows o".
//     Fleeting events have no offset; a joiner is given what is left of them.
//   - A lossless event is never skipped silently: a viewer who cannot be given
//     it gets a snapshot that contains it, or is closed with "reconnect".
//   - What is sampled is left out before anything else is, and a viewer is
//     never given more of it than a small part of the ring behind the rest.
//   - The version of a (type, key) only rises.
//   - A revocation finds every viewer that was let in before it, also one whose
//     authentication was under way.
//
// # Dependencies
//
// The root imports no sub-package. ws brings sockets, bus brings events, chat
// makes some of them; client is a viewer in Go. The wire is described in protocol.md.
package realtime
