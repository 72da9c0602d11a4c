package media

import "encoding/binary"

const (
	naluIDR   = 5
	naluSTAPA = 24
	naluFUA   = 28
	naluMask  = 0x1f
)

// h264Key reports whether an instantaneous decoder refresh begins in this payload (RFC 6184: single unit, STAP-A
// or the first fragment of FU-A). Parameter sets travel before it with the same timestamp; the ring finds them.
func h264Key(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch b[0] & naluMask {
	case naluIDR:
		return true
	case naluSTAPA:
		return stapHasIDR(b[1:])
	case naluFUA:
		return len(b) > 1 && b[1]&0x80 != 0 && b[1]&naluMask == naluIDR
	}
	return false
}

func stapHasIDR(b []byte) bool {
	for len(b) > 2 {
		size := int(binary.BigEndian.Uint16(b))
		if size == 0 || len(b) < 2+size {
			return false
		}
		if b[2]&naluMask == naluIDR {
			return true
		}
		b = b[2+size:]
	}
	return false
}
