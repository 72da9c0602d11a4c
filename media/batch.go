package media

// batch is a worker's scratch space for one run, so that sending allocates nothing.
type batch struct {
	run  [MaxRun]Outgoing
	from [MaxRun]uint64 // position of each packet
	n    int
}

func (b *batch) reset()     { b.n = 0 }
func (b *batch) full() bool { return b.n == MaxRun }

// add writes a packet as the cut says. The same packet under the same cut gives the same bytes each time: a
// retransmission must be identical, or encryption would use one nonce for two texts.
func (b *batch) add(t *track, c *cut, p *packet) {
	out := &b.run[b.n]
	out.Header.Version = 2
	out.Header.Marker = p.marker && c.layer.codec != Opus
	out.Header.PayloadType = t.types[c.layer.codec]
	out.Header.SequenceNumber = uint16(c.sequence(p.seq))
	out.Header.Timestamp = c.timestamp(p.ts)
	out.Header.SSRC = t.ssrc
	out.Payload = p.payload
	b.from[b.n] = p.seq
	b.n++
}

// send hands the run over and counts it.
func (b *batch) send(v *Subscriber) (taken int) {
	if b.n == 0 || v.gone.Load() {
		return b.n
	}
	taken = min(v.sender.Send(v.worker.index, b.run[:b.n]), b.n)
	m := v.stream.relay.metrics
	m.packetsOut.Add(float64(taken))
	m.bytesOut.Add(float64(b.octets(taken)))
	return taken
}

func (b *batch) octets(n int) (sum uint32) {
	for i := range b.run[:n] {
		sum += uint32(len(b.run[i].Payload))
	}
	return sum
}
