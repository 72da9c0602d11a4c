package bench

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"
)

// What the hub is given to say, and the floor says in its place, to the byte.

const (
	// messageBytes is the length of one event as a WebSocket message, without its header of four bytes.
	messageBytes = 200
	// fullBytes is the length of the events that fill sockets nobody reads.
	fullBytes = 16 << 10

	typeEvent = "bench"
	// keysMost bounds the keys of latest values, losslessKey stands where one has none.
	keysMost    = 64
	losslessKey = 0xff
)

const (
	atMark  = `{"at":"`
	nMark   = `","n":"`
	keyMark = `","k":"`
	padMark = `","pad":"`
	dataEnd = `"}`
	// dataFixed is how long an event's data is without its padding.
	dataFixed = len(atMark) + 16 + len(nMark) + 8 + len(keyMark) + 2 + len(padMark) + len(dataEnd)
)

// event is one event of the bench: the n-th of its key, made at a moment of the machine's clock.
type event struct {
	at  time.Duration
	n   uint32
	key int
}

func keyName(key int) string {
	if key == losslessKey {
		return ""
	}
	return fmt.Sprintf("k%02x", key)
}

// head is what stands before the data of an event in its message (realtime/protocol.md).
func head(key int, version int64) string {
	text := `{"t":"` + typeEvent + `"`
	if name := keyName(key); name != "" {
		text += `,"k":"` + name + `"`
	}
	number := strconv.FormatInt(version, 10)
	return text + `,"v":` + number + `,"o":` + number + `,"d":`
}

// data is the data of an event whose message is to have size bytes, if that is enough for what must stand in it.
func (e event) data(version int64, size int) []byte {
	pad := max(size-len(head(e.key, version))-dataFixed-len("}"), 0)
	b := make([]byte, 0, dataFixed+pad)
	b = append(append(b, atMark...), hexOf(uint64(e.at), 16)...)
	b = append(append(b, nMark...), hexOf(uint64(e.n), 8)...)
	b = append(append(b, keyMark...), hexOf(uint64(e.key), 2)...)
	b = append(b, padMark...)
	for i := range pad {
		b = append(b, padByte(e.n, i))
	}
	return append(b, dataEnd...)
}

func hexOf(v uint64, digits int) string { return fmt.Sprintf("%0*x", digits, v) }

func padByte(n uint32, i int) byte { return 'a' + byte((uint64(n)+uint64(i))%26) }

// frame is an event as a hub writes it.
func (e event) frame(version int64, size int) []byte {
	text := append(append([]byte(head(e.key, version)), e.data(version, size)...), '}')
	b := []byte{0x81} // a whole text message, RFC 6455 section 5.2
	switch n := len(text); {
	case n < 126:
		b = append(b, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, text...)
}

// nextEvent finds the first event in a message and what follows it. With check its padding is looked at too; whole is
// then false for one that is not what was said.
func nextEvent(text []byte, check bool) (e event, rest []byte, whole, ok bool) {
	at := bytes.Index(text, []byte(atMark))
	if at < 0 {
		return e, nil, true, false
	}
	text = text[at+len(atMark):]
	time64, text, ok1 := hexField(text, 16, nMark)
	n, text, ok2 := hexField(text, 8, keyMark)
	key, text, ok3 := hexField(text, 2, padMark)
	if !ok1 || !ok2 || !ok3 {
		return e, nil, false, false
	}
	e = event{time.Duration(time64), uint32(n), int(key)}
	if !check {
		return e, text, true, true
	}
	pad, rest, found := bytes.Cut(text, []byte(dataEnd))
	whole = found
	for i, c := range pad {
		whole = whole && c == padByte(e.n, i)
	}
	return e, rest, whole, true
}

// hexField reads a number of so many digits and the mark behind it.
func hexField(text []byte, digits int, mark string) (v uint64, rest []byte, ok bool) {
	if len(text) < digits+len(mark) || string(text[digits:digits+len(mark)]) != mark {
		return 0, nil, false
	}
	for _, c := range text[:digits] {
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, nil, false
		}
	}
	return v, text[digits+len(mark):], true
}
