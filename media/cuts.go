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

// cuts remembers the last maxCuts cuts. Most viewers never have more than two or three, and of sound one: the rest of
// the table comes when it is needed.
type cuts struct {
	now  cut   // layer nil: none yet
	past []cut // those before, at most maxCuts-1
	next int   // where in past the next goes once it is full
}

func (t *cuts) push(c cut) {
	switch {
	case t.now.layer == nil:
	case len(t.past) < maxCuts-1:
		t.past = append(t.past, t.now)
	default:
		t.past[t.next] = t.now
		t.next = (t.next + 1) % len(t.past)
	}
	t.now = c
}

func (t *cuts) current() *cut {
	if t.now.layer == nil {
		return nil
	}
	return &t.now
}

// find returns the cut that governed an outgoing sequence number, nil when it is forgotten.
func (t *cuts) find(out uint64) *cut {
	if c := t.current(); c == nil || c.out <= out {
		return c
	}
	for n := range t.past {
		if c := &t.past[(t.next+len(t.past)-1-n)%len(t.past)]; c.out <= out {
			return c
		}
	}
	return nil
}
