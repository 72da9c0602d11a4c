package media

import (
	"math/bits"
	"time"

	"github.com/pion/rtcp"
)

// feedback is one thing a viewer said, on its way to the viewer's worker.
type feedback struct {
	sub  *Subscriber
	ssrc uint32
	nack rtcp.NackPair // zero Lost bits and pli false cannot be confused: pli is looked at first
	pli  bool
}

// asks says how many packets it asks for; a picture counts as one.
func (f *feedback) asks() int { return 1 + bits.OnesCount16(uint16(f.nack.LostPackets)) }

// Feedback takes a viewer's RTCP, decrypted. Any goroutine may call it, also before Start and after the end. It does not
// block, and takes at most feedbackPerViewer requests that the worker has not got to yet: what is beyond them is dropped
// and counted, as players repeat themselves.
func (v *Subscriber) Feedback(packets []rtcp.Packet) {
	if !v.started.Load() {
		return
	}
	m, asks := v.stream.relay.metrics, false
	for _, packet := range packets {
		switch f := packet.(type) {
		case *rtcp.TransportLayerNack, *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			asks = true
		case *rtcp.ReceiverReport:
			for _, report := range f.Reports {
				m.viewerLoss.Observe(float64(report.FractionLost) / 256)
			}
		case *rtcp.ReceiverEstimatedMaximumBitrate:
			m.viewerEstimate.Observe(float64(f.Bitrate))
		}
	}
	if asks {
		v.worker.report(v, packets)
	}
}

// report queues what a viewer asks for.
func (w *worker) report(v *Subscriber, packets []rtcp.Packet) {
	full, flood := uint64(0), uint64(0)
	put := func(f feedback) {
		switch {
		case v.asking.Load() >= feedbackPerViewer:
			flood++
		case len(w.feedback) >= feedbackSlots:
			full++
		default:
			v.asking.Add(1)
			w.feedback = append(w.feedback, f)
		}
	}
	w.mu.Lock()
	for _, packet := range packets {
		switch f := packet.(type) {
		case *rtcp.TransportLayerNack:
			for _, pair := range f.Nacks {
				put(feedback{sub: v, ssrc: f.MediaSSRC, nack: pair})
			}
		case *rtcp.PictureLossIndication:
			put(feedback{sub: v, ssrc: f.MediaSSRC, pli: true})
		case *rtcp.FullIntraRequest:
			for _, entry := range f.FIR {
				put(feedback{sub: v, ssrc: entry.SSRC, pli: true})
			}
		}
	}
	w.mu.Unlock()
	if full > 0 {
		w.relay.metrics.drop(dropFeedback, full)
	}
	if flood > 0 {
		w.relay.metrics.drop(dropFlood, flood)
	}
	w.signal()
}

// apply says whether the viewer has something new to be sent.
func (f *feedback) apply(b *batch, now time.Duration) (due bool) {
	v := f.sub
	if v.gone.Load() {
		return false
	}
	for k := range v.tracks {
		t := &v.tracks[k]
		if t.ssrc != f.ssrc || t.layer == nil {
			continue
		}
		if f.pli {
			due = t.lost(v, now) || due
		} else {
			t.resend(v, b, f.nack, now)
		}
	}
	return due
}

// lost handles a PLI. One that arrives soon after a keyframe went out still speaks of the picture before it; a
// joiner's player sends several, and they must not cost the publisher anything: see first.
func (t *track) lost(v *Subscriber, now time.Duration) (due bool) {
	v.stream.relay.metrics.plis.Inc()
	switch {
	case t.kind != Video || t.phase == skipping:
	case t.first.open(now):
		return t.replay(v, now)
	case t.phase != catching && now-t.keySent >= pliQuiet:
		t.layer.wantKey.Store(true)
	}
	return false
}

// budget is a token bucket for one viewer's retransmissions.
type budget struct {
	tokens float64
	filled time.Duration
}

func (b *budget) take(now time.Duration) bool {
	if b.filled == 0 {
		b.tokens = nackBurst
	} else {
		b.tokens = min(nackBurst, b.tokens+(now-b.filled).Seconds()*nackRate)
	}
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// resend answers a NACK pair (17 packets at most) from the ring.
func (t *track) resend(v *Subscriber, b *batch, pair rtcp.NackPair, now time.Duration) {
	m := v.stream.relay.metrics
	gone, refused := uint64(0), uint64(0)
	b.reset()
	for i := range 17 {
		if i > 0 && pair.LostPackets&(1<<(i-1)) == 0 {
			continue
		}
		b.tally.nacks++
		c, p := t.sent(pair.PacketID + uint16(i))
		switch {
		case p == nil:
			gone++
		case !v.budget.take(now):
			refused++
		default:
			b.addAgain(t, c, p)
		}
	}
	if gone > 0 {
		m.drop(dropGone, gone)
	}
	if refused > 0 {
		m.drop(dropBudget, refused)
	}
	taken, _ := b.send(v)
	b.tally.resent += uint64(taken)
}

// sent finds what went out under a sequence number: nothing when it never did, or is no longer kept.
func (t *track) sent(n uint16) (*cut, *packet) {
	next := t.cuts.current().sequence(t.pos)
	back := uint64(uint16(next) - n)
	if back == 0 || back > 1<<15 {
		return nil, nil
	}
	c := t.cuts.find(next - back)
	if c == nil {
		return nil, nil
	}
	p := c.layer.ring.at(c.from + next - back - c.out)
	return c, p
}

// sendLate sends packets that reached us after this viewer had passed them.
func (t *track) sendLate(v *Subscriber, b *batch) {
	r := t.layer.ring
	count := r.lateCount.Load()
	if count-t.lateSeen > lateSlots {
		t.lateSeen = count - lateSlots // the viewer will ask for the rest
	}
	if count == t.lateSeen {
		return
	}
	c := t.cuts.current()
	b.reset()
	for ; t.lateSeen < count && !b.full(); t.lateSeen++ {
		seq := r.late[t.lateSeen%lateSlots].Load()
		if seq < c.from || seq >= t.pos {
			continue
		}
		if p := r.at(seq); p != nil {
			b.add(t, c, p)
		}
	}
	taken, octets := b.send(v)
	b.tally.late += uint64(taken)
	t.packets += uint32(taken)
	t.octets += octets
}
