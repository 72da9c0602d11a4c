package media

import "time"

// group is one stream's viewers at this worker.
type group struct {
	stream  *stream
	subs    []*Subscriber
	edges   [kinds]edge
	stirred bool          // has something to send this turn
	timed   bool          // in worker.timed
	look    time.Duration // when a frame that is still coming in is to be sent as far as it came, 0: none is
	version uint32        // grows each time it is served
}

// edge is how far those who follow live have come: all of them as far.
type edge struct {
	layer *Layer
	pos   uint64 // next position to send
	late  uint64 // lateCount of the ring

	// of one turn
	due      bool
	limit    uint64 // how far they may come
	lateNext uint64
}

// part is what all who follow live are sent alike in one turn, up to livePart packets in whole frames where they fit:
// gathered once, and for each viewer only the numbers are put in.
type part struct {
	run      [livePart]Outgoing
	pos      [livePart]uint64
	ts       [livePart]uint32 // the publisher's
	ends     [livePart]int    // one past the last packet of each run
	octets   [livePart]uint32 // of each run
	n, runs  int
	from, to uint64
	key      bool
	newest   *packet
}

func (b *part) gather(l *Layer, from, limit uint64) {
	b.n, b.runs, b.key, b.newest = 0, 0, false, nil
	b.from, b.to = from, from
	octets := uint32(0)
	for ; b.to < limit && b.n < livePart; b.to++ {
		p := l.ring.at(b.to)
		if p == nil {
			continue
		}
		out := &b.run[b.n]
		out.Header.Version, out.Header.Marker = 2, p.marker && l.codec != Opus
		out.Payload = p.payload
		b.pos[b.n], b.ts[b.n] = p.seq, p.ts
		b.n++
		b.key = b.key || p.key
		b.newest = p
		octets += uint32(len(p.payload))
		if p.marker || b.n == livePart {
			b.ends[b.runs], b.octets[b.runs] = b.n, octets
			b.runs++
			octets = 0
		}
	}
	if b.n > 0 && (b.runs == 0 || b.ends[b.runs-1] < b.n) {
		b.ends[b.runs], b.octets[b.runs] = b.n, octets
		b.runs++
	}
}

// serve sends what came in to those who follow live, a part of each kind, and says whether there is more. Whoever turns out
// not to follow is left to catchUp.
func (w *worker) serve(g *group, now time.Duration) (more bool) {
	g.look = 0
	g.version++
	for k := range g.edges {
		g.judge(Kind(k), now)
	}
	if sound := &g.edges[Audio]; sound.due && !g.edges[Video].due {
		if until := g.soundWaits(now); until > 0 {
			sound.due = false
			g.lookAt(until)
		}
	}
	w.advance(g, now)
	for k := range g.edges {
		e := &g.edges[k]
		more = more || e.due && e.pos < e.limit
	}
	if g.look > 0 {
		w.lookAt(g.look, now)
		if !g.timed {
			g.timed = true
			w.timed = append(w.timed, g)
		}
	}
	return more
}

// judge finds out whether there is something to send of a kind.
func (g *group) judge(k Kind, now time.Duration) {
	e, l := &g.edges[k], g.stream.live[k].Load()
	e.due = false
	if l == nil {
		return
	}
	limit, wait := l.ring.limit(now)
	if wait > 0 {
		g.lookAt(now + wait)
	}
	late := l.ring.lateCount.Load()
	if e.layer == l && e.pos == limit && e.late == late {
		return
	}
	if e.layer != l || e.pos < l.ring.tail.Load() || l.ring.stale(e.pos, now) {
		e.pos = limit // where nobody is: each is judged by itself
	}
	e.layer, e.limit, e.lateNext, e.due = l, limit, late, true
}

// lookAt has the group looked at again at a time at the latest.
func (g *group) lookAt(at time.Duration) {
	if g.look == 0 || at < g.look {
		g.look = at
	}
}

// soundWaits says until when the sound that has come may wait for the next frame of the picture, 0 when it may not. A
// packet of sound alone costs as much to send as a frame of ten times its size; at the end of one it costs nearly nothing.
func (g *group) soundWaits(now time.Duration) (until time.Duration) {
	sound, picture := &g.edges[Audio], g.edges[Video].layer
	if picture == nil || now-time.Duration(picture.ring.lastAt.Load()) > soundAlone {
		return 0
	}
	if first := sound.layer.ring.at(sound.pos); first != nil && now < first.at+soundWait {
		return first.at + soundWait
	}
	return 0
}

// advance sends what is due to those who follow live. A viewer's sound comes right after its picture, so that a transport
// can put both into one message.
func (w *worker) advance(g *group, now time.Duration) {
	for k := range g.edges {
		if e := &g.edges[k]; e.due {
			w.parts[k].gather(e.layer, e.pos, e.limit)
			e.late = e.lateNext
		}
	}
	for _, v := range g.subs {
		for _, k := range [...]Kind{Video, Audio} {
			e, t := &g.edges[k], &v.tracks[k]
			switch {
			case !e.due:
			case t.phase == live && t.pos == e.pos && t.layer == e.layer && !t.busy:
				t.take(v, w, e.late, now)
			case t.refused != e.layer:
				w.fellBehind(v, 0)
			}
		}
	}
	for k := range g.edges {
		if e := &g.edges[k]; e.due {
			e.pos = w.parts[k].to
		}
	}
}

// take sends a part to a viewer.
func (t *track) take(v *Subscriber, w *worker, late uint64, now time.Duration) {
	if v.gone.Load() {
		return
	}
	if t.lateSeen != late {
		t.sendLate(v, &w.batch)
	}
	p, b, c := &w.parts[t.kind], &w.batch, &t.cuts.now
	seq, ts := uint16(c.out-c.from), c.outTS-c.inTS // while live, time is not squeezed
	pt, begin := t.types[c.layer.codec], 0
	for r := range p.runs {
		end := p.ends[r]
		run := p.run[begin:end]
		for i := range run {
			h := &run[i].Header
			h.PayloadType, h.SSRC = pt, t.ssrc
			h.SequenceNumber = seq + uint16(p.pos[begin+i])
			h.Timestamp = ts + p.ts[begin+i]
		}
		b.unsent = true
		if taken := v.sender.Send(w.index, run); taken < len(run) {
			t.stuck(v, w, begin, taken, now)
			return
		}
		t.count(b, end-begin, p.octets[r])
		begin = end
	}
	t.pos = p.to
	if p.newest != nil {
		t.note(p.newest, p.key, now)
	}
	if t.kind == Video && now >= t.keep {
		t.keepTime(p.newest, now)
	}
	if now >= v.nextReport {
		v.sendReports(b, now)
	}
}

// stuck notes that the sender took only some of a run of the part.
func (t *track) stuck(v *Subscriber, w *worker, begin, taken int, now time.Duration) {
	p := &w.parts[t.kind]
	octets := uint32(0)
	for i := range p.run[begin : begin+taken] {
		octets += uint32(len(p.run[begin+i].Payload))
	}
	t.count(&w.batch, taken, octets)
	t.pos, t.busy = p.pos[begin+taken], true
	if last := begin + taken; last > 0 {
		if sent := t.layer.ring.at(p.pos[last-1]); sent != nil {
			t.note(sent, p.key, now)
		}
	}
	w.fellBehind(v, now+pumpEvery)
}

// count adds packets to the viewer's sender reports and to the turn's tally.
func (t *track) count(b *batch, packets int, octets uint32) {
	t.packets += uint32(packets)
	t.octets += octets
	b.tally.packets += uint64(packets)
	b.tally.octets += uint64(octets)
}
