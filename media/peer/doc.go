// Package peer negotiates WebRTC sessions and carries their media over one port, UDP and TCP.
//
// # Overview
//
// Server answers offers: Publish for a publisher, Watch for a viewer. A Session is carried by a link, of which there are
// two. Viewers go to the lean transport (leanlink.go, media/lean), which costs a hundredth of a connection. Publishers, and the
// viewers whose offer lean declines (offers that are not bundled, for one), get a PeerConnection of Pion's (connection.go):
// a publisher's tracks are read into the layers of media.Publisher (publish.go); a declined viewer is a media.Sender that
// writes to Pion (watch.go, track.go). Both links are held to one suite of tests.
//
// The port is read by lean alone. What is none of its viewers' goes to Pion's mux through a queue (rest.go).
//
// Offers are checked line by line (offer.go, codecs.go, lines.go). What the lean transport needs of a viewer's is taken
// from there (lean.go); an offer that goes to Pion is cut down to what we accept first (trim.go). Trickled candidates
// and ICE restarts are fragments (fragment.go). Simulcast offers are answered without it: the publisher then sends one
// layer.
//
// # Concurrency and lifecycle
//
// Run owns the closing of connections: a session that ends, for whatever reason, stops its media at once, closes
// Done, and is then closed by one of Run's few closers, which also wait for the session's readers. Sessions
// therefore need Run to be running. When Run's context is done every session ends, and Run returns when all are
// closed and the port is free.
//
//	goroutine            owner     ends
//	closers (4)          Run       when the server is closed and no session is left
//	media/lean's         Run       when all sessions are closed
//	track reader         session   when its connection closes; shut waits
//	RTCP of a publisher  reader    with its track reader
//	Pion's own           Pion      when its connection closes
//
// # Invariants
//
// A session ends once; its seat at the relay is given back exactly once, also when it is revoked in the middle of
// negotiation. A failed ICE restart that was malformed leaves the session as it was.
//
// # Dependencies
//
// media (its root), media/lean, media/egress, and Pion.
package peer
