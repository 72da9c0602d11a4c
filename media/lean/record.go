package lean

import (
	"encoding/binary"
	"slices"
)

// Records of DTLS 1.2 (RFC 6347 section 4.1), as far as the outside can be read.
const (
	recordHeader = 13

	kindChangeCipherSpec = 20
	kindAlert            = 21
	kindHandshake        = 22

	fragmentHeader = 12
	// maxMessage is the longest handshake message taken, in bytes. The longest a client has is its certificate.
	maxMessage = 16 << 10

	// Messages that a client sends (RFC 5246 section 7.4).
	messageClientHello       = 1
	messageCertificate       = 11
	messageCertificateVerify = 15
	messageClientKeyExchange = 16

	alertFatal       = 2
	alertCloseNotify = 0
)

// record is one record of a datagram. Epoch 0 is in clear, epoch 1 is encrypted.
type record struct {
	kind  byte
	epoch uint16
	whole []byte // with its header
	body  []byte
}

// nextRecord splits the first record off a datagram. What follows one that is not well formed cannot be found either.
func nextRecord(b []byte) (r record, rest []byte, ok bool) {
	if len(b) <= recordHeader || b[1] != 0xfe || b[2] != 0xfd && b[2] != 0xff {
		return record{}, nil, false
	}
	end := recordHeader + int(binary.BigEndian.Uint16(b[11:]))
	if end == recordHeader || end > len(b) {
		return record{}, nil, false
	}
	r = record{kind: b[0], epoch: binary.BigEndian.Uint16(b[3:]), whole: b[:end], body: b[recordHeader:end]}
	return r, b[end:], true
}

// sift copies those records of a datagram that a handshake may need; nil when there are none. RFC 6347 section 4.1.2.7
// has everything else dropped in silence, but Pion ends a handshake over it, which would let anybody who knows a viewer's
// address end it. refusal is the description of a fatal or closing alert in clear, which is not proven to be the client's.
func sift(b []byte) (kept []byte, refusal byte, refused bool) {
	for {
		r, rest, ok := nextRecord(b)
		if !ok {
			return kept, refusal, refused
		}
		b = rest
		switch {
		case r.refuses():
			refusal, refused = r.body[1], true
		case r.belongs():
			if kept == nil {
				kept = slices.Grow(kept, len(r.whole)+len(rest))
			}
			kept = append(kept, r.whole...)
		}
	}
}

func (r record) refuses() bool {
	return r.kind == kindAlert && r.epoch == 0 && len(r.body) == 2 && (r.body[0] == alertFatal || r.body[1] == alertCloseNotify)
}

func (r record) belongs() bool {
	switch {
	case r.epoch == 1:
		return r.kind == kindHandshake || r.kind == kindAlert
	case r.epoch != 0:
		return false
	case r.kind == kindChangeCipherSpec:
		return len(r.body) == 1 && r.body[0] == 1
	default:
		return r.kind == kindHandshake && wellFormed(r.body)
	}
}

// wellFormed looks at the fragments of handshake messages in a record.
func wellFormed(b []byte) bool {
	for len(b) > 0 {
		if len(b) < fragmentHeader {
			return false
		}
		switch b[0] {
		case messageClientHello, messageCertificate, messageCertificateVerify, messageClientKeyExchange:
		default:
			return false
		}
		total, offset, length := uint24(b[1:]), uint24(b[6:]), uint24(b[9:])
		if total == 0 || total > maxMessage || length == 0 || offset+length > total || fragmentHeader+length > len(b) {
			return false
		}
		b = b[fragmentHeader+length:]
	}
	return true
}

// repeats says whether a record belongs to the last flight of a client: certificate, keys, ChangeCipherSpec, Finished.
// A ClientHello that was long on its way does not.
func (r record) repeats() bool {
	switch r.kind {
	case kindChangeCipherSpec:
		return r.epoch == 0
	case kindHandshake:
		return r.epoch == 1 || r.epoch == 0 && wellFormed(r.body) && r.body[0] != messageClientHello
	}
	return false
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
