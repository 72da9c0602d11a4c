package media

// batch is a worker's scratch space for one run, so that sending allocates nothing.
type batch struct {
	run  [MaxRun]Outgoing
	from [MaxRun]uint64 // position of each packet
	n    int

	reports reports
	tally   tally
	unsent  bool // something was handed to a sender since the last flush
}

// tally counts what one turn did; metrics hear of it once, at its end.
type tally struct {
	packets, octets     uint64
	resent, late, nacks uint64
}

func (b *batch) reset()     { b.n = 0 }
func (b *batch) full() bool { return b.n == MaxRun }

// add writes a packet as the cut says. The same packet under the same cut gives the same bytes each time: what is sent
// again under its own number must be identical, or encryption would use one nonce for two texts.
func (b *batch) add(t *track, c *cut, p *packet) {
	out := &b.run[b.n]
	out.Header.Version = 2
	out.Header.Marker = p.marker && c.layer.codec != Opus
	out.Header.PayloadType = t.types[c.layer.codec]
	out.Header.SequenceNumber = uint16(c.sequence(p.seq))
	out.Header.Timestamp = c.timestamp(p.ts)
	out.Header.SSRC = t.ssrc
	out.Payload = p.payload
	out.Repair = false
	b.from[b.n] = p.seq
	b.n++
}

// addAgain writes a packet that the viewer has lost: on the retransmission stream where there is one for the codec it was
// sent in, else as it was. Each packet of that stream is a new one, even when it repeats an original that was repeated
// before: its number is never used twice, also when the way to the viewer turns out to be full.
func (b *batch) addAgain(t *track, c *cut, p *packet) {
	b.add(t, c, p)
	pt := t.repairTypes[c.layer.codec]
	if t.repairSSRC == 0 || pt == 0 {
		return
	}
	out := &b.run[b.n-1]
	out.Repair, out.Original = true, out.Header.SequenceNumber
	out.Header.SSRC, out.Header.PayloadType, out.Header.SequenceNumber = t.repairSSRC, pt, t.repairs
	t.repairs++
}

// send hands the run over and counts it.
func (b *batch) send(v *Subscriber) (taken int, octets uint32) {
	if b.n == 0 || v.gone.Load() {
		return b.n, 0
	}
	b.unsent = true
	taken = min(v.sender.Send(v.worker.index, b.run[:b.n]), b.n)
	for i := range b.run[:taken] {
		octets += uint32(len(b.run[i].Payload))
	}
	b.tally.packets += uint64(taken)
	b.tally.octets += uint64(octets)
	return taken, octets
}

// publish adds a turn's tally to the metrics.
func (m *metrics) publish(t *tally) {
	add := func(c interface{ Add(float64) }, n uint64) {
		if n > 0 {
			c.Add(float64(n))
		}
	}
	add(m.packetsOut, t.packets)
	add(m.bytesOut, t.octets)
	add(m.resent, t.resent)
	add(m.late, t.late)
	add(m.nacks, t.nacks)
	*t = tally{}
}
