package media

import "time"

// first watches over a joiner's first picture. When the packets that began it are lost, the player never learns that
// they were: there was nothing before them to leave a gap, so it asks for a picture instead of for packets. The
// publisher need not hear of that. The keyframe is still in the ring, and is sent again as a new cut; what is lost of
// that leaves gaps. Receiver reports do not tell who needs it: a player without a picture reports what it received
// like any other.
type first struct {
	at      time.Duration // when the first keyframe was sent, 0 before
	replays int
}

// open says whether a request may be about the first picture.
func (f *first) open(now time.Duration) bool {
	return f.at != 0 && now-f.at < firstPicture && f.replays < maxReplays
}

// quiet is how long after a keyframe a request still speaks of the time before it. It doubles with each replay, so that
// a line too slow for the keyframe is not filled with it.
func (f *first) quiet() time.Duration { return replayQuiet << f.replays }

// replay sends the newest keyframe again, and asks the publisher only when the ring has none that serves.
func (t *track) replay(v *Subscriber, now time.Duration) (due bool) {
	if now-t.keySent < t.first.quiet() {
		return false
	}
	before := t.pos
	seq, at, ok := t.layer.joinPoint()
	if !ok || !t.join(t.layer, seq, at, now) {
		t.layer.wantKey.Store(true)
		return false
	}
	if seq > before {
		v.stream.relay.metrics.drop(dropReplay, seq-before)
	}
	t.first.replays++
	v.stream.relay.metrics.replays.Inc()
	return true
}
