package media

// A VP8 payload begins with a descriptor (RFC 7741): one byte, and by choice numbers of pictures and temporal layers
// after it. Those are left out before a packet is kept. A player that is given numbers shows a picture only after the
// one numbered before it, and those of two publishers do not follow each other; some count in 7 bits and then in 15, or
// leave out the number 0, so that they cannot be moved to follow either. Without them a player goes by sequence
// numbers, which have no gap that is ours, and every viewer is sent the very bytes that are in the ring.

const (
	vp8Extended  = 0x80 // X: more bytes follow
	vp8Start     = 0x10 // S: a partition begins here
	vp8Partition = 0x07 // PID
)

// vp8Descriptor is how long the descriptor of a payload is, 0 when the payload is too short for it.
func vp8Descriptor(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	if b[0]&vp8Extended == 0 {
		return 1
	}
	if len(b) < 2 {
		return 0
	}
	n := 2
	if b[1]&0x80 != 0 { // I: picture number, in one byte or two
		if len(b) <= n {
			return 0
		}
		if b[n]&0x80 != 0 {
			n++
		}
		n++
	}
	if b[1]&0x40 != 0 { // L: number of the lowest temporal layer
		n++
	}
	if b[1]&0x30 != 0 { // T or K: they share one byte
		n++
	}
	if len(b) < n {
		return 0
	}
	return n
}

// takeVP8 copies a payload with the shortest descriptor, and finds out whether a keyframe begins in it. What is too short
// for its own descriptor is copied as it is and left to the viewer's decoder.
func (s *slab) takeVP8(payload []byte) *packet {
	n := vp8Descriptor(payload)
	if n == 0 {
		return s.take(payload)
	}
	p := s.take(payload[n-1:])
	p.payload[0] = payload[0] &^ vp8Extended
	// A keyframe begins where partition 0 does and the frame header's lowest bit is clear.
	begins := p.payload[0]&(vp8Start|vp8Partition) == vp8Start
	p.key = begins && len(p.payload) > 1 && p.payload[1]&0x01 == 0
	return p
}
