package media

// cut is one row of a viewer's offset table: from its first packet on, everything of the layer is sent with
// these offsets, until the next cut. Offsets change nowhere else, so a retransmission needs only the ring and this.
type cut struct {
	layer       *Layer
	from        uint64 // position of its first packet
	out         uint64 // outgoing sequence number of that packet, unwrapped
	inTS, outTS uint32 // timestamps of that packet
	divisor     int32  // 1: real time; more: timestamps squeezed by this while catching up
}

// timestamp maps a publisher's timestamp into the viewer's time.
func (c *cut) timestamp(ts uint32) uint32 {
	return c.outTS + uint32(int32(ts-c.inTS)/c.divisor)
}

// sequence maps a position to the outgoing sequence number.
func (c *cut) sequence(seq uint64) uint64 { return c.out + seq - c.from }

// cuts remembers the last maxCuts cuts.
type cuts struct {
	rows  [maxCuts]cut
	count int
}

func (t *cuts) push(c cut) {
	t.rows[t.count%maxCuts] = c
	t.count++
}

func (t *cuts) current() *cut {
	if t.count == 0 {
		return nil
	}
	return &t.rows[(t.count-1)%maxCuts]
}

// find returns the cut that governed an outgoing sequence number, nil when it is forgotten.
func (t *cuts) find(out uint64) *cut {
	for n := t.count - 1; n >= 0 && n >= t.count-maxCuts; n-- {
		if c := &t.rows[n%maxCuts]; c.out <= out {
			return c
		}
	}
	return nil
}
