package lean

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/rialto-live/rialto/media"
)

const (
	// maxStreams is how many SSRCs one session sends: sound, picture, and the picture's retransmissions.
	maxStreams = 4
	// maxBehind is how many numbers behind the newest a packet may be that is sent again: as many as the relay keeps. One
	// that seems older may as well be one of half a turn ahead.
	maxBehind = 4096

	plainHeader = 12 // of RTP, without sources and extensions
	gcmTag      = 16
	gcmNonce    = 12

	// Labels of key derivation (RFC 3711 section 4.3.2).
	labelKey  = 0
	labelSalt = 2
)

var (
	errRoom    = errors.New("no room for the sealed packet")
	errStreams = errors.New("more streams than a session sends")
	errBefore  = errors.New("packet from before the first one of its stream")
	errBehind  = errors.New("packet from too far behind the newest one of its stream")
	errSpent   = errors.New("stream is longer than its keys last")
)

// sealer seals RTP. AES-GCM is done here and not by Pion: no header is parsed that was just written, no payload copied,
// and nothing looked up in a map.
//
// Under GCM two different texts with one nonce betray the key that authenticates, and the nonce is made of SSRC, rollover
// counter and sequence number alone. So whoever calls sealRTP must never give it two different packets under one number
// of one stream. The relay does not: a number stands for one packet of one cut, whose bytes follow from the cut; and each
// retransmission of RFC 4588 takes a new number of its own stream. The counter is kept here, and never goes below the
// first packet of a stream, where it would begin again. It follows what is sealed: whoever takes packets from the
// relay and throws them away must not do so with half a turn of numbers (32,768) in a row.
type sealer struct {
	aead cipher.AEAD // nil: other seals
	salt [gcmNonce]byte
	// nonce is here because what is passed through an interface is put on the heap.
	nonce   [gcmNonce]byte
	streams [maxStreams]outgoing
	count   int

	other  *srtp.Context
	header rtp.Header // what Pion parses again
}

// outgoing is one stream that is sent.
type outgoing struct {
	ssrc    uint32
	highest uint64 // number of the newest packet: rollover counter and sequence number
	first   uint64
}

// derive makes the session key and salt (RFC 3711 section 4.3, RFC 7714 section 11).
func (s *sealer) derive(key, salt []byte) error {
	master, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("master key: %w", err)
	}
	session := sessionBlock(master, labelKey, salt)
	copy(s.salt[:], sessionBlock(master, labelSalt, salt))
	block, err := aes.NewCipher(session)
	if err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("session key: %w", err)
	}
	return nil
}

// sessionBlock gives the 16 bytes that one block of AES in counter mode yields for a label.
func sessionBlock(master cipher.Block, label byte, salt []byte) []byte {
	var in [aes.BlockSize]byte
	copy(in[:14], salt)
	in[7] ^= label
	out := make([]byte, aes.BlockSize)
	master.Encrypt(out, in[:])
	return out
}

// sealRTP writes the packet with its header, sealed, into dst's capacity, which must reach for it (see overhead), and
// returns it. It allocates nothing. The same packet gives the same bytes each time; two different ones must never have
// the same SSRC and number: see sealer. Only the worker that sends calls it.
func (s *sealer) sealRTP(dst []byte, p *media.Outgoing) ([]byte, error) {
	head := headerSize(&p.Header)
	osn := 0
	if p.Repair {
		osn = 2
	}
	n := head + osn + len(p.Payload)
	if cap(dst) < n+gcmTag {
		return nil, errRoom
	}
	dst = dst[:n]
	if err := writeHeader(dst, &p.Header, head); err != nil {
		return nil, err
	}
	if s.aead == nil {
		if p.Repair {
			binary.BigEndian.PutUint16(dst[head:], p.Original)
		}
		copy(dst[head+osn:], p.Payload)
		return s.sealOther(dst, &p.Header)
	}
	index, err := s.index(p.Header.SSRC, p.Header.SequenceNumber)
	if err != nil {
		return nil, err
	}
	s.setNonce(p.Header.SSRC, index)
	plain := p.Payload
	if p.Repair {
		binary.BigEndian.PutUint16(dst[head:], p.Original)
		copy(dst[head+osn:], p.Payload)
		plain = dst[head:]
	}
	return dst[:head+len(s.aead.Seal(dst[head:head], s.nonce[:], plain, dst[:head]))], nil
}

// sealOther has Pion seal what GCM does not: in place.
func (s *sealer) sealOther(dst []byte, h *rtp.Header) ([]byte, error) {
	if _, err := s.index(h.SSRC, h.SequenceNumber); err != nil {
		return nil, err
	}
	sealed, err := s.other.EncryptRTP(dst, dst, &s.header)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

func headerSize(h *rtp.Header) int {
	if h.Extension || h.Padding || len(h.CSRC) > 0 {
		return h.MarshalSize()
	}
	return plainHeader
}

func writeHeader(dst []byte, h *rtp.Header, size int) error {
	if size != plainHeader || h.Extension || h.Padding {
		if _, err := h.MarshalTo(dst); err != nil {
			return fmt.Errorf("rtp header: %w", err)
		}
		return nil
	}
	dst[0] = 2 << 6
	dst[1] = h.PayloadType & 0x7f
	if h.Marker {
		dst[1] |= 0x80
	}
	binary.BigEndian.PutUint16(dst[2:], h.SequenceNumber)
	binary.BigEndian.PutUint32(dst[4:], h.Timestamp)
	binary.BigEndian.PutUint32(dst[8:], h.SSRC)
	return nil
}

// index is the number of a packet with its rollover counter: the one that is nearest to the newest of its stream, as the
// other side guesses too (RFC 3711 section 3.3.1).
func (s *sealer) index(ssrc uint32, seq uint16) (uint64, error) {
	o := s.stream(ssrc)
	if o == nil {
		if s.count == maxStreams {
			return 0, errStreams
		}
		s.streams[s.count] = outgoing{ssrc: ssrc, highest: uint64(seq), first: uint64(seq)}
		s.count++
		return uint64(seq), nil
	}
	step := int64(int16(seq - uint16(o.highest)))
	index := o.highest + uint64(step)
	switch {
	case step < -maxBehind:
		return 0, errBehind
	case step <= 0 && o.highest-o.first < uint64(-step):
		return 0, errBefore
	case step <= 0:
	case index >= 1<<48:
		return 0, errSpent
	default:
		o.highest = index
	}
	return index, nil
}

func (s *sealer) stream(ssrc uint32) *outgoing {
	for i := range s.streams[:s.count] {
		if s.streams[i].ssrc == ssrc {
			return &s.streams[i]
		}
	}
	return nil
}

// setNonce makes the nonce of a packet (RFC 7714 section 8.1).
func (s *sealer) setNonce(ssrc uint32, index uint64) {
	binary.BigEndian.PutUint32(s.nonce[2:], ssrc)
	binary.BigEndian.PutUint32(s.nonce[6:], uint32(index>>16))
	binary.BigEndian.PutUint16(s.nonce[10:], uint16(index))
	s.nonce[0], s.nonce[1] = s.salt[0], s.salt[1]
	for i := 2; i < gcmNonce; i++ {
		s.nonce[i] ^= s.salt[i]
	}
}
