package media

import (
	"errors"
	"fmt"
	"time"

	"github.com/pion/rtp"
)

// packet is one RTP packet of a layer. It is immutable once it is in a ring: many workers read it at the same time.
type packet struct {
	seq     uint64        // the publisher's sequence number, unwrapped
	ts      uint32        // the publisher's timestamp
	at      time.Duration // arrival on the relay's clock
	marker  bool
	key     bool   // a keyframe begins in this packet
	payload []byte // without padding
}

var (
	errPacketSize = errors.New("packet longer than the limit")
	errPadding    = errors.New("padding longer than the payload")
)

// slab gives packets and their payloads out of large blocks, so that receiving allocates once per few dozen
// packets. A block is freed by the garbage collector when the last of its packets has left the ring.
type slab struct {
	packets []packet
	bytes   []byte
}

const (
	slabPackets = 64
	slabBytes   = 64 << 10
)

func (s *slab) take(payload []byte) *packet {
	if len(s.packets) == 0 {
		s.packets = make([]packet, slabPackets)
	}
	if len(s.bytes) < len(payload) {
		s.bytes = make([]byte, slabBytes)
	}
	p := &s.packets[0]
	s.packets = s.packets[1:]
	n := copy(s.bytes, payload)
	p.payload = s.bytes[:n:n]
	s.bytes = s.bytes[n:]
	return p
}

// parse reads the header of a received RTP packet and returns its payload without padding. Header
// extensions are not passed on: their numbers belong to the publisher's session.
func parse(h *rtp.Header, raw []byte) ([]byte, error) {
	if len(raw) > MaxPacket {
		return nil, errPacketSize
	}
	n, err := h.Unmarshal(raw)
	if err != nil {
		return nil, fmt.Errorf("rtp header: %w", err)
	}
	payload := raw[n:]
	if !h.Padding {
		return payload, nil
	}
	if len(payload) == 0 {
		return nil, errPadding
	}
	pad := int(payload[len(payload)-1])
	if pad == 0 || pad > len(payload) {
		return nil, errPadding
	}
	return payload[:len(payload)-pad], nil
}
