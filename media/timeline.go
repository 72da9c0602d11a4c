package media

import "time"

// A viewer's timestamps of the picture are the server's clock: the moment a picture was taken, in Unix time, at 90 kHz, modulo
// 2^32. A page that knows a frame's timestamp (requestVideoFrameCallback tells it) so knows which moment is on its screen, and
// shows a pin with it. RFC 3550 (5.1) wants timestamps to begin at random so that nobody guesses what is encrypted; SRTP takes
// its secrets elsewhere.
//
// When a picture was taken, the publisher's reports say (see lead). Before there is one, it is when it came.

const (
	// lagMost is by how much a picture may come after it was taken, and lagLeast by how much before, to be believed: some
	// encoders report what is not so.
	lagMost  = 3 * time.Second
	lagLeast = -200 * time.Millisecond
	// keepWithin is how far a viewer's time may be from the truth, and keepStep what is mended of it at once, each reportEvery:
	// little enough to be no jolt. Back it goes by half a frame at most, so that the next frame is still later than this one.
	keepWithin = 5 * time.Millisecond
	keepStep   = 10 * time.Millisecond
	// Who is further off than keepFar, as those are who were there before the first report of a slow encoder, is looked at each
	// keepSoon: a second is mended in some ten. There is no jump, not even at a keyframe: back, time would run twice; forth,
	// players hold the picture for as long as it is.
	keepFar  = 250 * time.Millisecond
	keepSoon = 100 * time.Millisecond
	// frameMost is how many packets of a frame are looked at to find the frame before it.
	frameMost = 256
)

// pictureTicks is a moment in 32.32 seconds since 1900 as timestamps of the picture say it.
func pictureTicks(ntp uint64) uint32 {
	const rate = 90_000
	return (uint32(ntp>>32)-before1970)*rate + uint32((ntp&(1<<32-1))*rate>>32)
}

// span turns 32.32 seconds that may be negative into a duration. It is meant for less than a century.
func span(ntp uint64) time.Duration {
	n := int64(ntp)
	return time.Duration(n>>32)*time.Second + time.Duration((n&(1<<32-1))*int64(time.Second)>>32)
}

// taken is when a packet's picture was taken, by the server's clock, in 32.32 seconds. ok is false while no report says so.
func (l *Layer) taken(ts uint32, at time.Duration) (ntp uint64, ok bool) {
	sr := l.report.Load()
	if sr == nil {
		return 0, false
	}
	rate := int64(l.codec.ClockRate())
	since := time.Duration(int64(int32(ts-sr.ts)) * int64(time.Second) / rate)
	ntp = sr.ntp + l.pub.lead.now.Load() + ntpSpan(since)
	came := sr.came + ntpSpan(at-sr.at)
	lag := span(came - ntp)
	return ntp, lag <= lagMost && lag >= lagLeast
}

// begin is the first timestamp of a viewer who gets p at wall of the relay's clock.
func (t *track) begin(l *Layer, p *packet, wall time.Duration) uint32 {
	if t.kind != Video {
		return t.outTS
	}
	now := ntpTime(time.Now()) + ntpSpan(wall-l.pub.stream.relay.now())
	if ntp, ok := l.taken(p.ts, p.at); ok { // as long before wall as it was taken before it came
		now = ntp + ntpSpan(wall-p.at)
	}
	return pictureTicks(now)
}

// keepTime brings a live viewer's time a little nearer to the server's clock, as of newest, the last packet of a frame that was
// sent: clocks drift apart, and before the first report nobody knows when a picture was taken.
func (t *track) keepTime(newest *packet, now time.Duration) {
	if newest == nil || !newest.marker {
		return
	}
	t.keep = now + reportEvery
	ntp, ok := t.layer.taken(newest.ts, newest.at)
	if !ok {
		return
	}
	within, step := int32(t.layer.codec.ticks(keepWithin)), int32(t.layer.codec.ticks(keepStep))
	off := int32(pictureTicks(ntp) - t.outTS)
	if off >= -within && off <= within {
		return
	}
	if far := int32(t.layer.codec.ticks(keepFar)); off < -far || off > far {
		t.keep = now + keepSoon
	}
	t.outTS += uint32(min(max(off, -min(step, t.layer.lasted(newest)/2)), step))
	t.cuts.push(cut{layer: t.layer, from: t.pos, out: t.cuts.current().sequence(t.pos), inTS: newest.ts, outTS: t.outTS, divisor: 1})
}

// lasted is how many ticks the frame before p's lasted, 0 when that is not known.
func (l *Layer) lasted(p *packet) int32 {
	for pos := p.seq; pos > 0 && p.seq-pos < frameMost; pos-- {
		if before := l.ring.at(pos - 1); before != nil && before.ts != p.ts {
			return max(0, int32(p.ts-before.ts))
		}
	}
	return 0
}
