package storm

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/rialto-live/rialto/realtime"
)

// What a server sends is taken apart here: frames of RFC 6455, the same
// compressed (RFC 7692), and blocks of an event stream.

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// piece is the next whole thing that came over a line.
type piece struct {
	op   byte
	body []byte // of a text: JSON, unless deflated
	// deflated says that body is compressed.
	deflated bool
	size     int // bytes of it on the line
}

var errFrame = errors.New("a frame that no server may send")

// cut finds the first whole piece in b; size is 0 when there is none yet.
func cut(b []byte, as realtime.Encoding) (p piece, err error) {
	if as == realtime.Lines {
		return cutLines(b)
	}
	if len(b) < 2 {
		return p, nil
	}
	head, n := 2, int(b[1])
	switch {
	case b[0]&0x80 == 0, b[0]&0x30 != 0, n&0x80 != 0: // a fragment, a reserved bit, a mask
		return p, fmt.Errorf("%w: it begins %x", errFrame, b[:2])
	case b[0]&0x40 != 0 && as != realtime.Deflated:
		return p, fmt.Errorf("%w: it is compressed", errFrame)
	case n == 126 && len(b) >= 4:
		head, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	case n == 127 && len(b) >= 10:
		head, n = 10, int(binary.BigEndian.Uint64(b[2:]))
	case n >= 126:
		return p, nil
	}
	if len(b) < head+n {
		return p, nil
	}
	return piece{op: b[0] & 0xF, body: b[head : head+n], deflated: b[0]&0x40 != 0, size: head + n}, nil
}

// cutLines reads "data: …", ":" and "event: close" blocks.
func cutLines(b []byte) (p piece, err error) {
	end := bytes.Index(b, []byte("\n\n"))
	if end < 0 {
		return p, nil
	}
	p.size = end + 2
	block := b[:end]
	switch data, ok := bytes.CutPrefix(block, []byte("data: ")); {
	case ok && !bytes.Contains(data, []byte("\n")):
		p.op, p.body = opText, data
	case len(block) > 0 && block[0] == ':':
		p.op = opPong // nobody waits for an answer
	case bytes.HasPrefix(block, []byte("event: close\ndata: ")):
		p.op, p.body = opClose, block
	default:
		return p, fmt.Errorf("%w: block %.80q", errFrame, block)
	}
	return p, nil
}

// message is what a text says.
type message struct {
	typ     string
	offset  int64 // -1: none
	epoch   string
	resumed bool
	joined  bool
	events  []item // with a version, in order
	viewers int    // the newest count in it, or -1
}

// item is an event with a version.
type item struct {
	key        int // of keys
	version    int64
	made       int64 // the version its data was made at
	number     int64 // which lossless event it is, or 0
	isLossless bool
}

var places = func() map[[2]string]int {
	m := map[[2]string]int{}
	for i, k := range keys {
		m[[2]string{k.typ, k.key}] = i
	}
	return m
}()

// parse reads a text.
func parse(p piece) (*message, error) {
	body := p.body
	if p.deflated {
		var err error
		tail := strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff") // RFC 7692 section 7.2.2, and an end
		if body, err = io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(body), tail))); err != nil {
			return nil, fmt.Errorf("%w: %w", errFrame, err)
		}
	}
	var w struct {
		realtime.Event
		Offset  *int64 `json:"o"`
		Epoch   string `json:"epoch"`
		Resumed bool   `json:"resumed"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("a text that is no JSON: %w", err)
	}
	m := &message{typ: w.Type, offset: -1, epoch: w.Epoch, resumed: w.Resumed, joined: w.Type == "joined", viewers: -1}
	if w.Offset != nil {
		m.offset = *w.Offset
	}
	list := []realtime.Event{w.Event}
	switch w.Type {
	case "sample", "pong", "me", "reply":
		return m, nil
	case "joined", "tick":
		if err := json.Unmarshal(w.Data, &list); err != nil {
			return nil, fmt.Errorf("the list of a %s: %w", w.Type, err)
		}
	}
	for _, e := range list {
		if err := m.add(e); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *message) add(e realtime.Event) error {
	if e.Version == 0 {
		var d struct{ Count *int }
		if err := json.Unmarshal(e.Data, &d); err != nil || d.Count == nil {
			return fmt.Errorf("%s with %s: %w", e.Type, e.Data, err)
		}
		m.viewers = *d.Count
		return nil
	}
	place, known := places[[2]string{e.Type, e.Key}]
	var d payload
	if err := json.Unmarshal(e.Data, &d); err != nil || !known {
		return fmt.Errorf("%s %s with %s: %w", e.Type, e.Key, e.Data, err)
	}
	m.events = append(m.events, item{place, e.Version, d.N, d.Q, place < losslessKeys})
	return nil
}

// memo remembers what texts said: one text goes to thousands, and is read once.
type memo struct {
	mu    sync.Mutex
	known map[string]*message
}

// memoLimit is how many texts are remembered; then all are forgotten.
const memoLimit = 1024

func (m *memo) parse(p piece) (*message, error) {
	m.mu.Lock()
	got := m.known[string(p.body)]
	m.mu.Unlock()
	if got != nil {
		return got, nil
	}
	got, err := parse(p)
	if err != nil || got.joined {
		return got, err // each joined is another
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= memoLimit {
		m.known = map[string]*message{}
	}
	m.known[string(p.body)] = got
	return got, nil
}
