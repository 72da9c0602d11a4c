package media

import (
	"time"

	"github.com/pion/rtcp"
)

// first watches over a joiner's first picture. When the packets that began it are lost, the player never learns that
// they were: there was nothing before them to leave a gap, so it asks for a picture instead of for packets. The
// publisher need not hear of that. The keyframe is still in the ring, and is sent again as a new cut; what is lost of
// that leaves gaps.
type first struct {
	seen    bool // the viewer has reported what came after the keyframe, and did not ask for one
	asked   bool // for a picture, since the keyframe was sent
	replays int

	keyTS  uint32 // of the last keyframe sent
	keyEnd uint16 // outgoing number of its last packet so far
}

// sent notes a packet on its way out.
func (f *first) sent(p *packet, out uint16) {
	if p.key {
		f.keyTS, f.asked = p.ts, false
	}
	if p.ts == f.keyTS {
		f.keyEnd = out
	}
}

// quiet is how long after a keyframe a request still speaks of the time before it. It doubles with each replay, so that
// a line too slow for the keyframe is not filled with it.
func (f *first) quiet() time.Duration { return replayQuiet << f.replays }

// heard takes a receiver report. One that reaches past the keyframe while nothing was asked for shows that there is a
// picture; from then on a request is the publisher's business.
func (t *track) heard(v *Subscriber, highest uint16) {
	if t.keySent == 0 || t.first.asked || int16(highest-t.first.keyEnd) <= 0 {
		return
	}
	t.first.seen = true
	v.seen.Store(true)
}

// open says whether a request is about the first picture.
func (f *first) open(t *track) bool {
	return !f.seen && f.replays < maxReplays && t.keySent != 0 && t.phase != skipping
}

// replay sends the newest keyframe again, and asks the publisher only when the ring has none that serves.
func (t *track) replay(v *Subscriber, now time.Duration) (due bool) {
	f := &t.first
	f.asked = true
	if now-t.keySent < f.quiet() {
		return false
	}
	before := t.pos
	seq, at, ok := t.layer.joinPoint()
	if !ok || !t.join(t.layer, seq, at, now) {
		t.layer.wantKey.Store(true)
		return false
	}
	if seq > before {
		v.stream.relay.metrics.drop(dropLag, seq-before)
	}
	f.replays++
	v.stream.relay.metrics.replays.Inc()
	return true
}

// acknowledge hands reports on to the worker until the first picture is known to have arrived.
func (v *Subscriber) acknowledge(reports []rtcp.ReceptionReport) {
	if v.seen.Load() {
		return
	}
	for _, r := range reports {
		v.worker.report(feedback{sub: v, ssrc: r.SSRC, kind: receiverReport, highest: uint16(r.LastSequenceNumber)})
	}
}
