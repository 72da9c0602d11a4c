package media

import (
	"math/rand/v2"
	"time"
)

// phase is where a viewer's track stands.
type phase uint8

const (
	idle     phase = iota // nothing sent yet
	catching              // sending from a keyframe behind live, faster than real time
	landing               // caught up; real time begins with the next frame
	live                  // following the newest frames
	skipping              // too far behind: waiting for the next keyframe
)

// track is one kind of media on its way to one viewer. The worker owns it.
type track struct {
	phase phase
	busy  bool // the sender did not take all of the last run
	kind  Kind
	types [codecs]uint8 // payload type of each codec
	ssrc  uint32

	layer    *Layer // the layer of the current cut
	pos      uint64 // next position to send
	lateSeen uint64
	refused  *Layer // cannot play it; counted once
	cuts     cuts

	// the last packet sent
	outTS   uint32
	inTS    uint32
	wall    time.Duration // when it belongs, in the viewer's time
	keySent time.Duration
	keep    time.Duration // when its time is to be looked at: see keepTime

	packets, octets uint32

	first  first
	reason string // why it is skipping
	plays  [codecs]bool

	// the retransmission stream, RFC 4588
	repairTypes [codecs]uint8 // 0: packets of the codec are sent again as they were
	repairSSRC  uint32
	repairs     uint16 // sequence number of the next

	// catching up: the packet that arrived at began is due at started
	began, started time.Duration
}

func (t *track) init(kind Kind, line Line) {
	t.kind, t.ssrc = kind, line.SSRC
	t.outTS = rand.Uint32()
	t.repairSSRC, t.repairs = line.RepairSSRC, uint16(rand.Uint32N(1<<15))
	for codec, pt := range line.PayloadTypes {
		if codec.Kind() == kind && codec < codecs {
			t.types[codec], t.plays[codec] = pt, true
			t.repairTypes[codec] = line.RepairTypes[codec]
		}
	}
}

// pump sends what is due and says when to look again.
func (t *track) pump(v *Subscriber, e *edge, b *batch, now time.Duration) time.Duration {
	t.follow(v, now)
	if t.layer == nil {
		return 0
	}
	if t.phase != skipping {
		t.sendLate(v, b)
		t.judgeLag(v, now)
	}
	if t.phase == skipping {
		return 0
	}
	return t.send(v, e, b, now)
}

// follow moves to the layer that is on air. The old one goes on until the new one has a keyframe.
func (t *track) follow(v *Subscriber, now time.Duration) {
	l := v.stream.live[t.kind].Load()
	if l == nil || l == t.layer && t.phase != skipping {
		return
	}
	if !t.plays[l.codec] {
		if t.refused != l && t.ssrc != 0 {
			v.stream.relay.metrics.drop(dropCodec, 1)
		}
		t.refused = l
		return
	}
	if t.kind == Audio {
		if p := l.newest(); p != nil {
			t.cutTo(l, p, p.at, 1)
			t.phase = live
		}
		return
	}
	seq, at, ok := l.joinPoint()
	if !ok || l == t.layer && seq < t.pos {
		l.wantKey.Store(true)
		return
	}
	before, skipped := t.pos, t.phase == skipping && l == t.layer
	if t.join(l, seq, at, now) && skipped {
		v.stream.relay.metrics.drop(t.reason, t.pos-before)
	}
}

// join begins at a keyframe. One that lies behind is sent at once, and what followed it faster than real time with
// timestamps squeezed alike, so that the player arrives at live instead of staying behind for good. Going back is always
// squeezed: the viewer's time has none to spare for what it was sent before.
func (t *track) join(l *Layer, seq uint64, at, now time.Duration) bool {
	p := l.ring.at(seq)
	if p == nil {
		return false
	}
	if back := l == t.layer && seq < t.pos; now-at <= squeezeAbove && !back {
		t.cutTo(l, p, p.at, 1)
		t.phase = live
		return true
	}
	t.cutTo(l, p, now, squeeze)
	t.phase = catching
	t.began, t.started = at, now
	return true
}

// cutTo begins a new row of the offset table at a packet that belongs at wall in the viewer's time. The outgoing
// numbers go on where they stopped, and time by as much as really passed.
func (t *track) cutTo(l *Layer, p *packet, wall time.Duration, divisor int32) {
	c := cut{layer: l, from: p.seq, out: firstSequence(), inTS: p.ts, outTS: t.outTS, divisor: divisor}
	if last := t.cuts.current(); last != nil {
		c.out = last.sequence(t.pos)
		step := max(l.codec.ticks(wall-t.wall), l.codec.ticks(time.Millisecond))
		c.outTS = t.outTS + uint32(step)
	} else {
		c.outTS = t.begin(l, p, wall)
	}
	t.cuts.push(c)
	if l != t.layer {
		t.lateSeen = l.ring.lateCount.Load()
	}
	t.layer, t.pos, t.busy = l, p.seq, false
}

// judgeLag drops a viewer that is too far behind to the next keyframe: a picture that is late for good serves nobody.
// Audio has no keyframes and drops to the newest packet.
func (t *track) judgeLag(v *Subscriber, now time.Duration) {
	r := t.layer.ring
	overrun := t.pos < r.tail.Load()
	if !overrun && !t.lagging(now) {
		return
	}
	reason := dropLag
	if overrun {
		reason = dropOverrun
	}
	before := t.pos
	if t.kind == Audio {
		if p := t.layer.newest(); p != nil && p.seq > t.pos {
			t.cutTo(t.layer, p, p.at, 1)
			v.stream.relay.metrics.drop(reason, t.pos-before)
		}
		return
	}
	if seq, at, ok := t.layer.joinPoint(); ok && seq > t.pos && t.join(t.layer, seq, at, now) {
		v.stream.relay.metrics.drop(reason, t.pos-before)
		return
	}
	// Nothing newer to go to. While the viewer's way is free, late pictures are better than none.
	if overrun || t.busy {
		t.phase, t.reason = skipping, reason // counted when the skip ends
		t.layer.wantKey.Store(true)
	}
}

func (t *track) lagging(now time.Duration) bool {
	return t.phase != catching && t.layer.ring.stale(t.pos, now)
}

// send hands over what is due, one frame's run at a time, catchUpBurst packets at most, and not past where those are who
// follow live: there it joins them.
func (t *track) send(v *Subscriber, e *edge, b *batch, now time.Duration) (wait time.Duration) {
	limit := e.pos
	if t.layer != e.layer {
		limit, wait = t.layer.ring.limit(now)
	}
	due := now
	if t.phase == catching {
		if due = t.began + (now-t.started)*squeeze; due >= now {
			due, t.phase = now, landing
		} else {
			wait = pumpEvery
		}
	}
	t.busy = false
	for room := catchUpBurst; t.pos < limit && !t.busy; {
		sent := t.sendRun(v, b, limit, min(room, MaxRun), due, now)
		if sent == 0 {
			return wait
		}
		if room -= sent; room == 0 {
			break
		}
	}
	if t.pos < limit {
		wait = pumpEvery
	}
	return wait
}

// sendRun gathers and sends the next run of at most room packets; 0 when nothing (more) is due.
func (t *track) sendRun(v *Subscriber, b *batch, limit uint64, room int, due, now time.Duration) int {
	b.reset()
	pos := t.pos
	for ; pos < limit && b.n < room; pos++ {
		p := t.layer.ring.at(pos)
		if p == nil {
			continue
		}
		if p.at > due {
			break
		}
		if t.phase == landing && p.ts != t.inTS {
			if b.n > 0 {
				break // the frame before still has the squeezed time
			}
			t.pos = pos
			t.cutTo(t.layer, p, p.at, 1)
			t.phase = live
		}
		b.add(t, t.cuts.current(), p)
		t.note(p, p.key, now)
		if p.marker {
			pos++
			break
		}
	}
	if b.n == 0 {
		t.pos = pos
		return 0
	}
	taken, octets := b.send(v)
	t.packets += uint32(taken)
	t.octets += octets
	if taken < b.n {
		t.pos, t.busy = b.from[taken], true
	} else {
		t.pos = pos
	}
	return b.n
}

// note remembers the newest packet given a place in the viewer's time.
func (t *track) note(p *packet, key bool, now time.Duration) {
	c := t.cuts.current()
	t.inTS = p.ts
	t.outTS = c.timestamp(p.ts)
	t.wall = p.at
	if c.divisor != 1 {
		t.wall = t.started + (p.at-t.began)/squeeze
	}
	if key {
		t.keySent = now
		if t.first.at == 0 {
			t.first.at = now
		}
	}
}
