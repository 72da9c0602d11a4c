package media

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Layer is one incoming RTP stream of a publisher: one kind in one quality, with its ring.
type Layer struct {
	// static after AddLayer
	pub   *Publisher
	codec Codec
	ring  *ring

	wantKey atomic.Bool // a viewer waits for a keyframe
	report  atomic.Pointer[senderReport]

	// owned by the goroutine that calls Write
	header  rtp.Header
	slab    slab
	last    uint64 // newest position
	outside int    // packets in a row outside the ring
	asked   time.Duration
}

// Codec of the layer; it never changes.
func (l *Layer) Codec() Codec { return l.codec }

// Write takes one RTP packet as it came from the publisher, decrypted. It copies what it keeps. One goroutine
// calls it. ErrClosed means the session is over; any other error is one packet that is no RTP, counted, and no reason to
// stop reading.
func (l *Layer) Write(raw []byte) error {
	if l.pub.gone.Load() {
		return ErrClosed
	}
	relay := l.pub.stream.relay
	now := relay.now()
	payload, err := parse(&l.header, raw)
	if err != nil {
		relay.metrics.drop(dropMalformed, 1)
		return fmt.Errorf("layer %s: %w", l.codec, err)
	}
	seq, ok := l.unwrap(l.header.SequenceNumber)
	if !ok {
		relay.metrics.drop(dropTooOld, 1)
		return nil
	}
	p := l.take(payload)
	p.seq, p.ts, p.at = seq, l.header.Timestamp, now
	p.marker = l.header.Marker || l.codec == Opus // of sound, each packet is a whole frame
	l.put(p, now)
	return nil
}

// take copies a payload and finds out whether a keyframe begins in it.
func (l *Layer) take(payload []byte) *packet {
	if l.codec == VP8 {
		return l.slab.takeVP8(payload)
	}
	p := l.slab.take(payload)
	p.key = l.codec == H264 && h264Key(payload)
	return p
}

func (l *Layer) put(p *packet, now time.Duration) {
	stream := l.pub.stream
	m := stream.relay.metrics
	m.packetsIn.Inc()
	m.bytesIn.Add(float64(len(p.payload)))
	switch l.ring.insert(p) {
	case duplicate:
		m.drop(dropDuplicate, 1)
		return
	case tooOld:
		m.drop(dropTooOld, 1)
		return
	case released, recovered:
		l.pub.heard(now)
		stream.wake(now)
	case stored:
	}
	l.pub.meter(len(p.payload), now)
	l.askKeyframe(p, now)
}

// unwrap extends a 16-bit sequence number. Numbers far outside the ring are not believed until maxResync of them came
// in a row: then the publisher has begun a new count, and the layer goes on behind the old one.
func (l *Layer) unwrap(n uint16) (uint64, bool) {
	if l.last == 0 {
		l.last = 1<<16 | uint64(n)
		return l.last, true
	}
	diff := int64(int16(n - uint16(l.last)))
	if size := int64(len(l.ring.slots)); diff > size || diff <= -size {
		if l.outside++; l.outside < maxResync {
			return 0, false
		}
		// The next round of the count keeps positions growing whatever n is.
		l.outside = 0
		l.last = (l.last>>16+1)<<16 | uint64(n)
		return l.last, true
	}
	l.outside = 0
	seq := uint64(int64(l.last) + diff)
	l.last = max(l.last, seq)
	return seq, true
}

// askKeyframe applies the keyframe policy: while viewers exist, ask when the newest keyframe no longer serves a joiner or
// when somebody waits for one, and never more often than keyframeEvery, however many ask. It runs as packets come in,
// since a publisher that sends nothing would not answer.
func (l *Layer) askKeyframe(p *packet, now time.Duration) {
	if l.codec.Kind() != Video {
		return
	}
	if p.key {
		l.wantKey.Store(false)
		return
	}
	if l.pub.stream.viewers.Load() == 0 || l.asked != 0 && now-l.asked < keyframeEvery {
		return
	}
	_, at, ok := l.ring.keyframe()
	if ok && now-at <= keyframeAge && !l.wantKey.Load() {
		return
	}
	l.asked = now
	l.wantKey.Store(false)
	l.pub.stream.relay.metrics.keyframeRequests.Inc()
	l.pub.feedback.RequestKeyframe(l)
}

// Report takes the publisher's sender report for this layer. Any goroutine may call it.
func (l *Layer) Report(sr *rtcp.SenderReport) {
	now := l.pub.stream.relay.now()
	came := ntpTime(time.Now())
	l.pub.lead.hear(sr.NTPTime, came, now)
	l.report.Store(&senderReport{ntp: sr.NTPTime, ts: sr.RTPTime, at: now, came: came})
}

// joinPoint is where a viewer may begin: the newest keyframe, unless it is older than maxGOP against what came last.
func (l *Layer) joinPoint() (seq uint64, at time.Duration, ok bool) {
	seq, at, ok = l.ring.keyframe()
	if !ok || time.Duration(l.ring.lastAt.Load())-at > maxGOP {
		return 0, 0, false
	}
	return seq, at, true
}

// newest returns the newest packet in the ring.
func (l *Layer) newest() *packet {
	for seq := l.ring.head.Load(); seq > l.ring.tail.Load(); seq-- {
		if p := l.ring.at(seq - 1); p != nil {
			return p
		}
	}
	return nil
}
