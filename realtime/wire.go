package realtime

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
)

// What a server says is built here, once for all viewers. RFC 6455 leaves frames
// from a server unmasked, so the same bytes serve everybody.

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
	finBit  = 0x80
	rsv1Bit = 0x40 // the message is compressed, RFC 7692 section 6

	maxFrameHeader = 10
)

// frame puts a header before payload.
func frame(opcode byte, payload []byte) []byte {
	b := appendFrameHeader(make([]byte, 0, maxFrameHeader+len(payload)), opcode, len(payload))
	return append(b, payload...)
}

func appendFrameHeader(b []byte, opcode byte, n int) []byte {
	b = append(b, finBit|opcode)
	switch {
	case n < 126:
		return append(b, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
}

// PongFrame answers a WebSocket ping.
func PongFrame(payload []byte) []byte { return frame(opPong, payload) }

func closeFrame(code Code, reason string) []byte {
	if len(reason) > maxCloseReason {
		reason = reason[:maxCloseReason]
	}
	return frame(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

// appendEvent writes the members of e without its braces. Names need no
// escaping (see isName) and Data was checked when it was published.
func appendEvent(b []byte, e Event) []byte {
	b = append(b, `"t":"`...)
	b = append(b, e.Type...)
	b = append(b, '"')
	if e.Key != "" {
		b = append(b, `,"k":"`...)
		b = append(b, e.Key...)
		b = append(b, '"')
	}
	if e.Version == 0 {
		return b
	}
	b = append(b, `,"v":`...)
	return strconv.AppendInt(b, e.Version, 10)
}

func appendData(b []byte, d json.RawMessage) []byte {
	b = append(b, `,"d":`...)
	return append(b, d...)
}

// eventText is {"t","k","v","o","d"}, without v for an unversioned event.
func eventText(e Event, offset int64) []byte {
	b := append(make([]byte, 0, len(e.Type)+len(e.Key)+len(e.Data)+64), '{')
	b = appendEvent(b, e)
	b = append(b, `,"o":`...)
	b = strconv.AppendInt(b, offset, 10)
	return append(appendData(b, e.Data), '}')
}

// tickText is {"t":"tick","o","d":[event,…]}; entries are ready events.
func tickText(entries [][]byte, offset int64) []byte {
	b := append([]byte(nil), `{"t":"tick","o":`...)
	b = strconv.AppendInt(b, offset, 10)
	b = append(b, `,"d":`...)
	return append(appendList(b, entries), '}')
}

// sampleText is {"t":"sample","d":[event,…]}; entries are ready events.
func sampleText(entries [][]byte) []byte {
	b := append([]byte(nil), `{"t":"sample","d":`...)
	return append(appendList(b, entries), '}')
}

// meFrame announces a version of somebody's private document.
func meText(version int64) []byte {
	b := append(make([]byte, 0, 48), `{"t":"me","v":`...)
	return append(strconv.AppendInt(b, version, 10), '}')
}

func appendList(b []byte, entries [][]byte) []byte {
	b = append(b, '[')
	for i, entry := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, entry...)
	}
	return append(b, ']')
}

// entrySize is at least what entry will need.
func entrySize(e Event) int { return len(e.Type) + len(e.Key) + len(e.Data) + 48 }

// entry is an event as it stands in a tick or a snapshot.
func entry(e Event) []byte {
	b := append(make([]byte, 0, entrySize(e)), '{')
	return append(appendData(appendEvent(b, e), e.Data), '}')
}

// joinedText is {"t":"joined","epoch","o","now","resumed","d","s"}; list is
// the ready JSON list of the snapshot, recent that of what is remembered.
func joinedText(at Position, now int64, resumed bool, list, recent []byte) []byte {
	b := append(make([]byte, 0, len(list)+len(recent)+128), `{"t":"joined","epoch":"`...)
	b = append(b, at.Epoch...)
	b = append(b, `","o":`...)
	b = strconv.AppendInt(b, at.Offset, 10)
	b = append(b, `,"now":`...)
	b = strconv.AppendInt(b, now, 10)
	b = append(b, `,"resumed":`...)
	b = strconv.AppendBool(b, resumed)
	b = append(b, `,"d":`...)
	b = append(b, list...)
	b = append(b, `,"s":`...)
	return append(append(b, recent...), '}')
}

// pongText answers the page's clock question: c is given back, r is when the
// question was read and s when the answer is written, in Unix milliseconds.
func pongText(c, r, s int64) []byte {
	b := append(make([]byte, 0, 96), `{"t":"pong","c":`...)
	b = strconv.AppendInt(b, c, 10)
	b = append(b, `,"r":`...)
	b = strconv.AppendInt(b, r, 10)
	b = append(b, `,"s":`...)
	return append(strconv.AppendInt(b, s, 10), '}')
}
