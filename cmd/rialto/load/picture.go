package load

// picture waits for the first picture that a player could show: a keyframe with all its packets.
type picture struct {
	begun    bool
	done     bool
	time     uint32
	from     uint16
	marker   uint16
	marked   bool
	complete int // packets of it that have come
}

// add takes a decrypted video packet that is the first of its number, and says whether the picture is whole now.
func (p *picture) add(codec string, seq uint16, time uint32, marker bool, payload []byte) bool {
	if beginsKeyframe(codec, payload) && (!p.begun || p.time != time) {
		*p = picture{begun: true, time: time, from: seq}
	}
	if !p.begun || time != p.time || int16(seq-p.from) < 0 {
		return false
	}
	p.complete++
	if marker {
		p.marked, p.marker = true, seq
	}
	p.done = p.marked && int(p.marker-p.from)+1 == p.complete
	return p.done
}

// beginsKeyframe reports whether a payload is the beginning of a keyframe. Of codecs that are not looked into, every
// packet may be.
func beginsKeyframe(codec string, b []byte) bool {
	switch codec {
	case "VP8":
		return beginsVP8(b)
	case "H264":
		return beginsH264(b)
	}
	return true
}

// beginsVP8 reads the descriptor of RFC 7741: partition 0 begins here, and the frame header's lowest bit is clear.
func beginsVP8(b []byte) bool {
	if len(b) < 2 || b[0]&0x17 != 0x10 {
		return false
	}
	at := 1
	if b[0]&0x80 != 0 {
		bits := b[1]
		at = 2
		if bits&0x80 != 0 && len(b) > at { // picture number, one byte or two
			at += 1 + int(b[at]>>7)
		}
		if bits&0x40 != 0 {
			at++
		}
		if bits&0x30 != 0 {
			at++
		}
	}
	return len(b) > at && b[at]&1 == 0
}

// beginsH264 looks for a sequence parameter set or an IDR picture (RFC 6184).
func beginsH264(b []byte) bool {
	const idr, parameters, aggregate, fragment = 5, 7, 24, 28
	if len(b) < 2 {
		return false
	}
	switch kind := b[0] & 0x1f; kind {
	case idr, parameters:
		return true
	case aggregate:
		return len(b) > 3 && (b[3]&0x1f == parameters || b[3]&0x1f == idr)
	case fragment:
		return b[1]&0x80 != 0 && b[1]&0x1f == idr
	}
	return false
}
