package realtime

import (
	"bytes"
	"compress/flate"
	"strconv"
	"sync"
)

// Encoding is how a viewer's line carries messages. It is settled when the
// line is opened, and for its whole life.
type Encoding uint8

const (
	// Frames are WebSocket text frames, RFC 6455.
	Frames Encoding = iota
	// Deflated are the same, those of a room compressed by permessage-deflate
	// without context takeover, RFC 7692: the same bytes for everybody.
	Deflated
	// Lines are the blocks of an event stream (text/event-stream), for where
	// WebSockets are blocked.
	Lines

	encodings
)

// deflateAbove is the length in bytes from which compressing a message is worth
// the viewers' time.
const deflateAbove = 128

// message is one message to many viewers. It is made ready once for each
// encoding that somebody needs, when the first one needs it.
type message struct {
	text  []byte // JSON
	ready [encodings]struct {
		once  sync.Once
		bytes []byte
	}
}

func newMessage(text []byte) *message { return &message{text: text} }

// as is the message in an encoding. What it returns is never changed.
func (m *message) as(e Encoding) []byte {
	r := &m.ready[e]
	r.once.Do(func() {
		if e == Deflated {
			r.bytes = deflated(m.text)
		} else {
			r.bytes = e.text(m.text)
		}
	})
	return r.bytes
}

// text is a message for one viewer alone. It is not compressed: that costs more
// than it saves.
func (e Encoding) text(text []byte) []byte {
	if e != Lines {
		return frame(opText, text)
	}
	// Outside of strings, where JSON has none, a line break is only a blank.
	b := append(make([]byte, 0, len(text)+8), "data: "...)
	for _, c := range text {
		if c == '\n' || c == '\r' {
			c = ' '
		}
		b = append(b, c)
	}
	return append(b, '\n', '\n')
}

// ping asks for a sign of life; over an event stream it only keeps the line
// from being taken for dead on the way.
func (e Encoding) ping() []byte {
	if e == Lines {
		return []byte(":\n\n")
	}
	return pingFrame
}

// answered says whether a ping is answered by whatever stands at the other end.
// A reader of an event stream has nothing to answer with: that it is gone is
// seen when it takes nothing any more.
func (e Encoding) answered() bool { return e != Lines }

// end is the last that a viewer is told.
func (e Encoding) end(code Code, reason string) []byte {
	if e != Lines {
		return closeFrame(code, reason)
	}
	b := strconv.AppendInt([]byte("event: close\ndata: {\"code\":"), int64(code), 10)
	return append(appendText(append(b, `,"reason":`...), reason), "}\n\n"...)
}

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.DefaultCompression) // which is a level there is
	return w
}}

// deflated is text as one compressed frame: RFC 7692 section 7.2.1 ends the data
// with an empty block, whose last four bytes are left out.
func deflated(text []byte) []byte {
	if len(text) < deflateAbove {
		return frame(opText, text)
	}
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	_, _ = w.Write(text) // into memory
	_ = w.Flush()
	short := bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff})
	if len(short) >= len(text) {
		return frame(opText, text)
	}
	return frame(rsv1Bit|opText, short)
}
