package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

// What a page's frames are made of. RFC 6455 section 5.2.
const (
	finBit     = 0x80
	rsv1Bit    = 0x40 // compressed, RFC 7692 section 6
	rsvOthers  = 0x30
	opBits     = 0x0F
	maskedBit  = 0x80
	lengthBits = 0x7F
	maskBytes  = 4

	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA

	maxControl = 125 // bytes in a control frame, section 5.5
	maxPlain   = 125 // length that stands in the first two bytes
)

// inboxBytes is what is read from a socket at once. What pages say is short, and
// the largest control frame must have room.
const inboxBytes = 512

var (
	errTooLong = errors.New("a message longer than a page may send")
	errLeft    = errors.New("the page closes")
)

// brokenFrame is a frame that is not of RFC 6455, in words for us.
type brokenFrame string

func (b brokenFrame) Error() string { return "broken frame: " + string(b) }

// inbox is what a page has said and nobody has understood yet. It is held while
// the page says something and by nobody in between: what it knows at the end of a
// message, or of a control frame outside of one, is nothing. That is why frames
// are read here: a reader that waits between two messages would have to be kept,
// with its goroutine and its buffers, for each page.
type inbox struct {
	viewer *viewer
	r, w   int    // chunk[r:w] was read and not looked at
	said   []byte // payload of the message so far
	plain  []byte // the message, inflated
	chunk  [inboxBytes]byte
}

var inboxes = sync.Pool{New: func() any { return new(inbox) }}

func inboxFor(v *viewer) *inbox {
	in := inboxes.Get().(*inbox)
	in.viewer, in.r, in.w = v, 0, 0
	return in
}

func (in *inbox) free() {
	in.viewer = nil
	inboxes.Put(in)
}

// empty says whether nothing is left that has come. After read the viewer can
// rest then.
func (in *inbox) empty() bool { return in.r == in.w }

// read reads the next message, or one control frame before it, of which it takes
// care; then kind is 0. payload holds until the next read. Every error is a
// lineError: nothing can be read after it.
func (in *inbox) read() (kind byte, payload []byte, err error) {
	in.said = in.said[:0]
	pressed := false
	for {
		h, err := in.header(kind)
		if err == nil && h.op >= opClose {
			err = in.control(h, kind != 0)
			if err == nil && kind == 0 {
				return 0, nil, nil
			}
		} else if err == nil {
			if kind == 0 {
				kind, pressed = h.op, h.pressed
			}
			err = in.piece(h)
		}
		switch {
		case err != nil:
			return 0, nil, lineError{err}
		case h.op >= opClose || !h.final:
		case !pressed:
			return kind, in.said, nil
		default:
			if payload, err = in.inflate(); err != nil {
				return 0, nil, lineError{brokenFrame("deflate: " + err.Error())}
			}
			return kind, payload, nil
		}
	}
}

// header is the beginning of a frame.
type header struct {
	final, pressed bool
	op             byte
	length         int64
	mask           [maskBytes]byte
}

// header reads and judges the beginning of a frame, within a message of a kind or
// outside of one.
func (in *inbox) header(within byte) (h header, err error) {
	b, err := in.next(2)
	if err != nil {
		return h, err
	}
	h = header{final: b[0]&finBit != 0, pressed: b[0]&rsv1Bit != 0, op: b[0] & opBits, length: int64(b[1] & lengthBits)}
	if wrong := h.wrong(within, b[0]&rsvOthers != 0, b[1]&maskedBit != 0, in.viewer.deflated); wrong != "" {
		return h, brokenFrame(wrong)
	}
	switch h.length {
	case maxPlain + 1:
		if b, err = in.next(2); err != nil {
			return h, err
		}
		h.length = int64(binary.BigEndian.Uint16(b))
	case maxPlain + 2:
		if b, err = in.next(8); err != nil {
			return h, err
		}
		if h.length = int64(binary.BigEndian.Uint64(b)); h.length < 0 {
			return h, errTooLong
		}
	}
	if b, err = in.next(maskBytes); err != nil {
		return h, err
	}
	copy(h.mask[:], b)
	return h, nil
}

// wrong says why a frame cannot come here, or "".
func (h header) wrong(within byte, reserved, masked, deflated bool) string {
	switch {
	case reserved, h.pressed && !(deflated && (h.op == opText || h.op == opBinary)):
		return "a reserved bit"
	case !masked:
		return "not masked"
	case h.op > opBinary && h.op < opClose, h.op > opPong:
		return "of no kind"
	case h.op >= opClose && (h.length > maxControl || !h.final):
		return "a control frame that is large or in pieces"
	case h.op == opContinuation && within == 0:
		return "a continuation of nothing"
	case (h.op == opText || h.op == opBinary) && within != 0:
		return "a message inside of a message"
	}
	return ""
}

// piece adds a frame's payload to the message.
func (in *inbox) piece(h header) error {
	if h.length > int64(MaxMessage-len(in.said)) {
		return errTooLong
	}
	from := len(in.said)
	for left := int(h.length); left > 0; {
		if in.empty() {
			if err := in.fill(); err != nil {
				return err
			}
		}
		n := min(left, in.w-in.r)
		in.said = append(in.said, in.chunk[in.r:in.r+n]...)
		in.r += n
		left -= n
	}
	unmask(in.said[from:], h.mask)
	return nil
}

func unmask(b []byte, mask [maskBytes]byte) {
	for i := range b {
		b[i] ^= mask[i%maskBytes]
	}
}

// control takes care of a frame that concerns the line. Within a message it is no
// sign of life: a page that ends none for DeadAfter is taken for dead.
func (in *inbox) control(h header, within bool) error {
	payload, err := in.next(int(h.length))
	if err != nil {
		return err
	}
	unmask(payload, h.mask)
	switch h.op {
	case opPing:
		return in.viewer.pinged(payload, !within)
	case opPong:
		return in.viewer.sign(!within)
	}
	return closing(payload)
}

// closing judges a close frame. RFC 6455 sections 5.5.1 and 7.4.
func closing(payload []byte) error {
	if len(payload) == 0 {
		return errLeft
	}
	if len(payload) == 1 {
		return brokenFrame("half a close code")
	}
	switch code := binary.BigEndian.Uint16(payload); {
	case code >= 3000 && code <= 4999:
	case code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006:
	default:
		return brokenFrame(fmt.Sprintf("close code %d", code))
	}
	if !utf8.Valid(payload[2:]) {
		return brokenFrame("close words that are no text")
	}
	return errLeft
}

// next are the next n bytes, at most inboxBytes. They may be changed, and hold
// until something else is read.
func (in *inbox) next(n int) ([]byte, error) {
	for in.w-in.r < n {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	b := in.chunk[in.r : in.r+n]
	in.r += n
	return b, nil
}

// fill waits until more has come. The page pays for it, whatever it is.
func (in *inbox) fill() error {
	in.w = copy(in.chunk[:], in.chunk[in.r:in.w])
	in.r = 0
	n, err := in.viewer.hear(in.chunk[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // who goes says so before
	}
	return err
}

// hear reads from the socket what there is, or waits.
func (v *viewer) hear(p []byte) (int, error) {
	n, err := v.line.Read(p)
	if n > 0 && !v.bytes.take(v.handler.cfg.Now(), n, BytesPerSec, BytesBurst) && !v.handler.cfg.Crowded {
		return 0, errFlood
	}
	return n, err
}
