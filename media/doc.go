// Package media takes a creator's packets once and hands them to every viewer: write once into a ring, every
// viewer is a cursor.
//
// # Overview
//
// A packet's way, in the order of the files: a transport (media/peer) writes it to a Layer (layer.go), which keeps
// it in a ring of immutable packets (ring.go) and wakes the workers that have viewers of the stream (stream.go,
// worker.go). A worker moves each viewer's cursor (subscriber.go, track.go) to the end of the newest complete frame,
// rewrites headers as the viewer's table of cuts says (cuts.go, batch.go), and hands whole runs to the viewer's Sender
// (sender.go). A lost packet is sent again from the ring (feedback.go), and so is a joiner's first picture when its
// beginning was lost (first.go).
//
// Numbers of a viewer's stream (SSRC, sequence, time) change only at a cut: a join, a first picture sent again, a skip,
// a takeover. What is sent again is therefore byte for byte what was sent. Payloads are never changed for a viewer; the
// numbers that VP8 keeps in them are left out when they come in (vp8.go).
//
// # Concurrency and lifecycle
//
// Relay.Run owns every goroutine and waits for it:
//
//	goroutine            count       does
//	worker               Workers     sends to its viewers; none per viewer
//	announcer            1           calls Config.OnAir
//	sweep                1           grace times and grants that run out
//
// Layer.Write is called by the transport, one goroutine for each layer. Relay.mu guards who publishes and who
// watches; it is not taken for packets. No lock is held while calling out (OnEnd, OnAir, Feedback, Sender), and no two
// locks of ours nest except Relay.mu before a worker's or the announcer's mailbox.
//
// # Invariants
//
//   - A ring has one writer. A packet in it never changes.
//   - A viewer belongs to one worker, which alone touches its tracks.
//   - Outgoing sequence numbers have no gap that is ours.
//   - A session ends once, and nothing is sent to it after.
//   - Every queue is bounded (limits.go), and every packet that is not passed on is counted by reason (metrics.go).
//
// # Dependencies
//
// pion/rtp and pion/rtcp, never pion/webrtc. No sub-package of media.
package media
