package media

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
)

func TestVP8IsKeptWithoutNumbers(t *testing.T) {
	for _, c := range []struct {
		name     string
		in, want []byte
		key      bool
	}{
		{"empty", nil, nil, false},
		{"descriptor only", []byte{0x10}, []byte{0x10}, false},
		{"plain keyframe", []byte{0x10, 0x00}, []byte{0x10, 0x00}, true},
		{"plain delta", []byte{0x10, 0x01}, []byte{0x10, 0x01}, false},
		{"not the first partition", []byte{0x11, 0x00}, []byte{0x11, 0x00}, false},
		{"not the beginning", []byte{0x00, 0x00}, []byte{0x00, 0x00}, false},
		{"no reference", []byte{0xb0, 0x00, 0x01}, []byte{0x30, 0x01}, false},
		{"extension cut off", []byte{0x90}, []byte{0x90}, false},
		{"extension without fields", []byte{0x90, 0x00, 0x00}, []byte{0x10, 0x00}, true},
		{"7 bit picture number", []byte{0x90, 0x80, 0x7f, 0x00}, []byte{0x10, 0x00}, true},
		{"7 bit cut off", []byte{0x90, 0x80}, []byte{0x90, 0x80}, false},
		{"15 bit picture number", []byte{0x90, 0x80, 0xff, 0xfe, 0x00}, []byte{0x10, 0x00}, true},
		{"15 bit cut off", []byte{0x90, 0x80, 0xff}, []byte{0x90, 0x80, 0xff}, false},
		{"15 bit and nothing else", []byte{0x90, 0x80, 0xff, 0xfe}, []byte{0x10}, false},
		{"tl0 alone", []byte{0x90, 0x40, 0x09, 0x01}, []byte{0x10, 0x01}, false},
		{"tl0 cut off", []byte{0x90, 0x40}, []byte{0x90, 0x40}, false},
		{"all fields", []byte{0x90, 0xf0, 0x81, 0x02, 0x03, 0x20, 0x00, 7}, []byte{0x10, 0x00, 7}, true},
		{"tid cut off", []byte{0x90, 0x20}, []byte{0x90, 0x20}, false},
	} {
		in := bytes.Clone(c.in)
		var s slab
		p := s.takeVP8(in)
		if !bytes.Equal(p.payload, c.want) || p.key != c.key {
			t.Errorf("%s: % x %v", c.name, p.payload, p.key)
		}
		if !bytes.Equal(in, c.in) {
			t.Errorf("%s: what the caller owns was changed", c.name)
		}
	}
}

func TestH264Key(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		key  bool
	}{
		{"empty", nil, false},
		{"single IDR", []byte{0x65}, true},
		{"single slice", []byte{0x41, 1}, false},
		{"parameter set", []byte{0x67, 1}, false},
		{"STAP-A with IDR second", []byte{0x78, 0, 1, 0x67, 0, 2, 0x65, 1}, true},
		{"STAP-A with sets only", []byte{0x78, 0, 1, 0x67, 0, 1, 0x68}, false},
		{"STAP-A cut off", []byte{0x78, 0, 9, 0x65}, false},
		{"STAP-A size 0", []byte{0x78, 0, 0, 0x65}, false},
		{"STAP-A header only", []byte{0x78, 0}, false},
		{"FU-A first of IDR", []byte{0x7c, 0x85, 0}, true},
		{"FU-A middle of IDR", []byte{0x7c, 0x05, 0}, false},
		{"FU-A first of slice", []byte{0x7c, 0x81, 0}, false},
		{"FU-A cut off", []byte{0x7c}, false},
	} {
		if got := h264Key(c.b); got != c.key {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestParsePacket(t *testing.T) {
	base := func(p []byte, flags byte) []byte {
		return append([]byte{0x80 | flags, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3}, p...)
	}
	for _, c := range []struct {
		name string
		raw  []byte
		want []byte
		ok   bool
	}{
		{"plain", base([]byte{1, 2, 3}, 0), []byte{1, 2, 3}, true},
		{"padded", base([]byte{1, 2, 0, 0, 3}, 0x20), []byte{1, 2}, true},
		{"only padding", base([]byte{0, 0, 3}, 0x20), nil, true},
		{"padding longer than the payload", base([]byte{1, 2, 9}, 0x20), nil, false},
		{"padding of zero", base([]byte{1, 2, 0}, 0x20), nil, false},
		{"padding bit on nothing", base(nil, 0x20), nil, false},
		{"short", []byte{0x80, 0x60}, nil, false},
		{"extension", base([]byte{0xbe, 0xde, 0, 1, 0x10, 7, 0, 0, 9}, 0x10), []byte{9}, true},
		{"extension cut off", base([]byte{0xbe, 0xde, 0, 9}, 0x10), nil, false},
		{"at the limit", base(make([]byte, MaxPacket-12), 0), make([]byte, MaxPacket-12), true},
		{"one past the limit", base(make([]byte, MaxPacket-11), 0), nil, false},
	} {
		var h rtp.Header
		got, err := parse(&h, c.raw)
		if (err == nil) != c.ok || !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, %v", c.name, got, err)
		}
	}
}

// FuzzPayload feeds the parsers what a hostile publisher might send.
func FuzzPayload(f *testing.F) {
	f.Add([]byte{0x90, 0xf0, 0x81, 0x02, 0x03, 0x20, 0x00})
	f.Add([]byte{0x78, 0, 1, 0x67, 0, 2, 0x65, 1})
	f.Add([]byte{0x90, 0x80})
	f.Add([]byte{0xa0, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		h264Key(b)
		var h rtp.Header
		_, _ = parse(&h, b)
		var s slab
		p := s.takeVP8(b)
		again := s.takeVP8(p.payload)
		if p.key != again.key || !bytes.Equal(p.payload, again.payload) || !bytes.HasSuffix(b, p.payload[min(1, len(p.payload)):]) {
			t.Fatalf("% x became % x and then % x", b, p.payload, again.payload)
		}
	})
}
