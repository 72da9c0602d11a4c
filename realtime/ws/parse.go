package ws

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"github.com/rialto-live/rialto/realtime"
)

// message is anything a page sends.
type message struct {
	Type   string          `json:"t"`
	Room   realtime.RoomID `json:"room"`
	Epoch  string          `json:"epoch"`
	Offset int64           `json:"o"`
	Token  string          `json:"token"`
	Clock  int64           `json:"c"`
	ID     string          `json:"id"`
	Call   string          `json:"call"`
	Data   json.RawMessage `json:"d"`
}

// parse takes JSON in UTF-8 alone: encoding/json mends other bytes in strings but
// hands them on in raw data, which is put into frames as it stands.
func parse(data []byte) (m message, ok bool) {
	if m, ok = parseCall(data); ok {
		return m, true
	}
	m = message{}
	ok = utf8.Valid(data) && json.Unmarshal(data, &m) == nil
	return m, ok
}

// parseCall reads a call as pages write most of them, which come by the thousand
// when a thing is released: without blanks, "t" first, texts that need no
// escapes, and a "d" of texts and whole numbers. Of all else ok is false.
func parseCall(data []byte) (m message, ok bool) {
	in := plain{data}
	if !in.take(`{"t":"call"`) {
		return m, false
	}
	m.Type = "call"
	for !in.take("}") {
		switch {
		case in.take(`,"id":`):
			m.ID, ok = in.text()
		case in.take(`,"call":`):
			m.Call, ok = in.text()
		case in.take(`,"d":`):
			from := in.left
			ok = in.object()
			m.Data = bytes.Clone(from[:len(from)-len(in.left)])
		default:
			ok = false
		}
		if !ok {
			return m, false
		}
	}
	return m, len(in.left) == 0
}

// plain takes JSON apart from its beginning, as far as it is written in the
// plainest way.
type plain struct{ left []byte }

func (p *plain) take(text string) bool {
	if len(p.left) < len(text) || string(p.left[:len(text)]) != text {
		return false
	}
	p.left = p.left[len(text):]
	return true
}

// skip passes over a text, or over nothing.
func (p *plain) skip() bool {
	if len(p.left) == 0 || p.left[0] != '"' {
		return false
	}
	for i, c := range p.left[1:] {
		if c == '"' {
			p.left = p.left[1+i+1:]
			return true
		}
		if c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return false
}

func (p *plain) text() (string, bool) {
	from := p.left
	if !p.skip() {
		return "", false
	}
	return string(from[1 : len(from)-len(p.left)-1]), true
}

func (p *plain) number() bool {
	n := 0
	for n < len(p.left) && '0' <= p.left[n] && p.left[n] <= '9' {
		n++
	}
	if n == 0 || n > 1 && p.left[0] == '0' {
		return false
	}
	p.left = p.left[n:]
	return true
}

// object passes over an object of texts and whole numbers.
func (p *plain) object() bool {
	if !p.take("{") {
		return false
	}
	for first := true; !p.take("}"); first = false {
		if !first && !p.take(",") || !p.skip() || !p.take(":") || !p.skip() && !p.number() {
			return false
		}
	}
	return true
}
