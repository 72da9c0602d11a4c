package media

import "encoding/binary"

// vp8Marks say where in a payload the VP8 descriptor (RFC 7741) keeps the numbers that must stay continuous
// over a cut. An offset of 0 means absent: byte 0 is always the first descriptor byte.
type vp8Marks struct {
	pictureAt, tl0At uint8
	pictureWide      bool // 15 bits instead of 7
	picture          uint16
	tl0              uint8
}

// parseVP8 finds the marks and whether a keyframe begins in this payload. A payload too short for its own
// descriptor is no keyframe and has no marks: it is passed on and left to the viewer's decoder.
func parseVP8(b []byte) (m vp8Marks, key bool) {
	if len(b) == 0 {
		return vp8Marks{}, false
	}
	first := b[0]
	at := 1
	if first&0x80 != 0 { // X: extension byte
		if len(b) < 2 {
			return vp8Marks{}, false
		}
		var ok bool
		if m, at, ok = parseVP8Extension(b); !ok {
			return vp8Marks{}, false
		}
	}
	// A keyframe begins where S is set on partition 0 and the frame header's P bit is clear.
	begins := first&0x10 != 0 && first&0x07 == 0
	return m, begins && at < len(b) && b[at]&0x01 == 0
}

func parseVP8Extension(b []byte) (m vp8Marks, at int, ok bool) {
	ext := b[1]
	at = 2
	if ext&0x80 != 0 { // I: picture id
		if at >= len(b) {
			return m, 0, false
		}
		m.pictureAt = uint8(at)
		m.picture = uint16(b[at] & 0x7f)
		if b[at]&0x80 != 0 {
			if at+1 >= len(b) {
				return m, 0, false
			}
			m.pictureWide = true
			m.picture = binary.BigEndian.Uint16(b[at:]) & 0x7fff
			at++
		}
		at++
	}
	if ext&0x40 != 0 { // L: TL0PICIDX
		if at >= len(b) {
			return m, 0, false
		}
		m.tl0At, m.tl0 = uint8(at), b[at]
		at++
	}
	if ext&0x30 != 0 { // T or K share one byte
		at++
	}
	return m, at, at <= len(b)
}

// shift writes the descriptor's numbers moved by a cut's offsets into b, a copy of the payload.
func (m vp8Marks) shift(b []byte, picture uint16, tl0 uint8) {
	if m.pictureAt != 0 {
		id := m.picture + picture
		if m.pictureWide {
			binary.BigEndian.PutUint16(b[m.pictureAt:], id&0x7fff|0x8000)
		} else {
			b[m.pictureAt] = uint8(id & 0x7f)
		}
	}
	if m.tl0At != 0 {
		b[m.tl0At] = m.tl0 + tl0
	}
}
