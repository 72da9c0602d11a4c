// Package lean carries viewers over UDP and TCP with the least a viewer needs: an ICE-lite responder, a DTLS server,
// SRTP, and SDP answered from a template, on Pion's stun, dtls and srtp.
//
// # Overview
//
// A viewer costs a Session: a few tables and keys, and no goroutine once it plays. What comes in is read by one goroutine
// for each socket (transport.go), told apart by its first byte, and found its session in a table (table.go): a check by the
// ICE name in it, all else by the path it came over.
//
//	check    agent.go      answers, and finds out over which path the client wants its media
//	DTLS     dtls.go       shakes hands once; of the connection only its farewell is kept
//	RTCP     session.go    opened, and handed to the relay's Subscriber
//
// What goes out is sealed by the relay's worker into the arena of that worker's egress.Outlet (viewer.go), where what many
// viewers get in one turn of the worker is gathered, and leaves in as few system calls as the kernel allows. For networks
// that let no UDP through there is TCP (stream.go), with a bounded queue for each connection.
//
// What this transport cannot answer (an offer that is not bundled, say) media/peer carries through Pion.
//
// # Concurrency and lifecycle
//
//	goroutine     count             ends
//	reader        a socket          with the port, when Run's context is done
//	sweep         1                 with Run
//	handshake     a joining viewer  when it is over; Session.Close stops it and waits
//	TCP           see stream.go     with Run
//
// Who opens a Session closes it. Session.mu guards its agent, handshake and the keys that open; it is held for one packet,
// and before the table's lock, never after it. The keys that seal belong to the relay's worker.
//
// # Invariants
//
//   - What is not authentic leaves no trace: no table grows, no state changes. A goroutine is started only for a client that
//     has shown in a check that it knows the session's password.
//   - Media goes to a path that the client has chosen, and to one at a time.
//   - Sealing and sending allocate nothing for a packet.
//
// # Dependencies
//
// media (its root), media/egress, and Pion's parts; never pion/webrtc.
package lean
