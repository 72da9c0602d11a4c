package lean

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// On a TCP connection each packet has its length before it, two bytes in network order (RFC 4571 section 2, for ICE
// RFC 6544 section 3).
const (
	frameHeader = 2
	// maxFrame is the longest packet taken or sent over TCP. A longer one is no packet of ours: what speaks another
	// protocol to this port (HTTP, TLS, SSH) shows itself by it with its first two bytes.
	maxFrame = 2048
	// outboxBytes bounds the media waiting for one connection: one second of 4 Mbit/s.
	outboxBytes = 512 << 10
	// outboxReserve is room beyond it for what is not media: a viewer that is never ready for more must still get the
	// answers to its checks, or it would take the path for dead.
	outboxReserve = 16 << 10
	// blockBytes is what one write hands to the kernel at most: a frame of a picture, as a rule.
	blockBytes = 32 << 10
)

var errFrame = errors.New("a frame that is too long")

// frames takes the packets out of a connection's bytes. One goroutine owns it.
type frames struct {
	buf  [frameHeader + maxFrame]byte
	have int
}

// read reads once and hands every packet that is whole to take, which may use it during the call only. Empty packets are
// left out. Its error is the reader's, errFrame, or take's.
func (f *frames) read(r io.Reader, take func(b []byte) error) error {
	n, err := r.Read(f.buf[f.have:])
	f.have += n
	at := 0
	for f.have-at >= frameHeader {
		size := int(binary.BigEndian.Uint16(f.buf[at:]))
		if size > maxFrame {
			return fmt.Errorf("%w: %d bytes", errFrame, size)
		}
		end := at + frameHeader + size
		if end > f.have {
			break
		}
		if size > 0 {
			if err := take(f.buf[at+frameHeader : end]); err != nil {
				return err
			}
		}
		at = end
	}
	f.have = copy(f.buf[:], f.buf[at:f.have])
	return err
}

// block is a stretch of framed packets.
type block struct {
	n    int
	data [blockBytes]byte
}

// blocks are lent to the connections that have something waiting, so that one that has nothing holds none.
var blocks = sync.Pool{New: func() any { return new(block) }}

// outbox is what waits to be written to one connection. Its user guards it.
type outbox struct {
	waiting []*block // each holds at least one packet
	bytes   int      // in waiting, and in the writer's hands
}

// add copies a packet behind the others; false when there is no room for it, or it is too long or empty.
func (o *outbox) add(b []byte) bool {
	size, room := frameHeader+len(b), outboxBytes
	if len(b) == 0 || len(b) > maxFrame {
		return false
	}
	if b[0] < 128 {
		room += outboxReserve
	}
	if o.bytes+size > room {
		return false
	}
	var last *block
	if n := len(o.waiting); n > 0 {
		last = o.waiting[n-1]
	}
	if last == nil || last.n+size > blockBytes {
		last = blocks.Get().(*block)
		last.n = 0
		o.waiting = append(o.waiting, last)
	}
	binary.BigEndian.PutUint16(last.data[last.n:], uint16(len(b)))
	copy(last.data[last.n+frameHeader:], b)
	last.n += size
	o.bytes += size
	return true
}

// take lends the first block to the writer, which gives it back to give; nil when nothing waits.
func (o *outbox) take() *block {
	if len(o.waiting) == 0 {
		return nil
	}
	first := o.waiting[0]
	last := copy(o.waiting, o.waiting[1:])
	o.waiting[last] = nil
	o.waiting = o.waiting[:last]
	return first
}

// give makes room for what was written.
func (o *outbox) give(b *block) {
	o.bytes -= b.n
	blocks.Put(b)
}

// empty throws away what waits.
func (o *outbox) empty() {
	for b := o.take(); b != nil; b = o.take() {
		o.give(b)
	}
}
