// Package media takes a creator's packets once and hands them to every viewer: write once into a ring, every
// viewer is a cursor.
//
// # Overview
//
// A packet's way, in the order of the files: a transport (media/peer) writes it to a Layer (layer.go), which keeps
// it in a ring of immutable packets (ring.go) and wakes the workers that have viewers of the stream (stream.go,
// worker.go). A worker gathers what came in once and sends it to all who follow live, whose cursors (subscriber.go,
// track.go) stand at the same place: for each it puts in the numbers that the viewer's table of cuts says (live.go,
// cuts.go), and hands whole runs to the viewer's Sender (sender.go). A lost packet is sent again from the ring
// (feedback.go), and so is a joiner's first picture when its beginning was lost (first.go).
//
// Sound that follows live waits up to soundWait for a frame of the picture and is handed over right after it, so that a
// transport can put both into one message.
//
// Those who do not follow live stand in a queue of their worker (catchup.go): joiners on their way from the keyframe to
// live, those whose way is full, those who skip or change over. They get a burst each pumpEvery, by themselves (batch.go).
//
// A turn of a worker is: comers and goers; a part for those who follow live, of each stream that has something; a flush;
// answers to feedback; the queue; a flush. Each step is bounded (livePart for each viewer, replyPackets, catchUpPackets),
// and what it leaves is taken up by the next turn at once. So neither joiners nor a flood of requests nor a large
// keyframe keeps others waiting long, and Relay.Lateness says how long it is (lateness.go).
//
// A viewer's timestamps of the picture are the server's clock: a page knows from them which moment is on its screen, and
// shows a pin with it. The publisher's reports say when a picture was taken (report.go), and a viewer's time is kept near
// that (timeline.go). The reports that viewers get are by the server's clock as well.
//
// Numbers of a viewer's stream (SSRC, sequence, time) change only at a cut: a join, a first picture sent again, a skip,
// a takeover, time that is brought nearer to the server's clock. What is sent again under its own number is therefore byte for byte what was sent; where the viewer knows
// a retransmission stream, it goes there (RFC 4588), each time under a new number. Payloads are never changed for a
// viewer; the numbers that VP8 keeps in them are left out when they come in (vp8.go).
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
// Layer.Write is called by the transport, one goroutine for each layer, Layer.Report by any. Relay.mu guards who publishes and who
// watches; it is not taken for packets. No lock is held while calling out (OnEnd, OnAir, Feedback, Sender), and no two
// locks of ours nest (lead.mu is a leaf) except Relay.mu before a worker's or the announcer's mailbox.
//
// # Invariants
//
//   - A ring has one writer. A packet in it never changes.
//   - A viewer belongs to one worker, which alone touches its tracks. It follows live on a track, or stands in the queue.
//   - Outgoing sequence numbers have no gap that is ours; those of a retransmission stream are never used twice.
//   - A session ends once, and nothing is sent to it after.
//   - Every queue is bounded (limits.go), and every packet that is not passed on is counted by reason (metrics.go).
//
// # Dependencies
//
// pion/rtp and pion/rtcp, never pion/webrtc. No sub-package of media.
package media
