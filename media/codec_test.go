package media

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
)

func TestParseVP8(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want vp8Marks
		key  bool
	}{
		{"empty", nil, vp8Marks{}, false},
		{"descriptor only", []byte{0x10}, vp8Marks{}, false},
		{"plain keyframe", []byte{0x10, 0x00}, vp8Marks{}, true},
		{"plain delta", []byte{0x10, 0x01}, vp8Marks{}, false},
		{"not the first partition", []byte{0x11, 0x00}, vp8Marks{}, false},
		{"not the beginning", []byte{0x00, 0x00}, vp8Marks{}, false},
		{"extension cut off", []byte{0x90}, vp8Marks{}, false},
		{"extension without fields", []byte{0x90, 0x00, 0x00}, vp8Marks{}, true},
		{"7 bit picture id", []byte{0x90, 0x80, 0x7f, 0x00}, vp8Marks{pictureAt: 2, picture: 127}, true},
		{"7 bit cut off", []byte{0x90, 0x80}, vp8Marks{}, false},
		{"15 bit picture id", []byte{0x90, 0x80, 0xff, 0xfe, 0x00}, vp8Marks{pictureAt: 2, pictureWide: true, picture: 0x7ffe}, true},
		{"15 bit cut off", []byte{0x90, 0x80, 0xff}, vp8Marks{}, false},
		{"tl0 alone", []byte{0x90, 0x40, 0x09, 0x01}, vp8Marks{tl0At: 2, tl0: 9}, false},
		{"tl0 cut off", []byte{0x90, 0x40}, vp8Marks{}, false},
		{"all fields", []byte{0x90, 0xf0, 0x81, 0x02, 0x03, 0x20, 0x00},
			vp8Marks{pictureAt: 2, pictureWide: true, picture: 0x102, tl0At: 4, tl0: 3}, true},
		{"tid cut off", []byte{0x90, 0x20}, vp8Marks{}, false},
	} {
		got, key := parseVP8(c.b)
		if got != c.want || key != c.key {
			t.Errorf("%s: %+v %v", c.name, got, key)
		}
	}
}

func TestShiftVP8(t *testing.T) {
	for _, c := range []struct {
		name    string
		in      []byte
		picture uint16
		tl0     uint8
		want    []byte
	}{
		{"15 bits wrap", []byte{0x90, 0xc0, 0xff, 0xff, 0xff, 0x00}, 2, 3, []byte{0x90, 0xc0, 0x80, 0x01, 0x02, 0x00}},
		{"7 bits wrap", []byte{0x90, 0x80, 0x7f, 0x00}, 1, 9, []byte{0x90, 0x80, 0x00, 0x00}},
		{"no numbers", []byte{0x10, 0x00}, 1, 1, []byte{0x10, 0x00}},
	} {
		m, _ := parseVP8(c.in)
		m.shift(c.in, c.picture, c.tl0)
		if !bytes.Equal(c.in, c.want) {
			t.Errorf("%s: % x", c.name, c.in)
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
	f.Add([]byte{0x90, 0xf0, 0x81, 0x02, 0x03, 0x20, 0x00}, uint16(7), uint8(9))
	f.Add([]byte{0x78, 0, 1, 0x67, 0, 2, 0x65, 1}, uint16(0), uint8(0))
	f.Add([]byte{0x90, 0x80}, uint16(1), uint8(1))
	f.Add([]byte{0xa0, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1}, uint16(1), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, picture uint16, tl0 uint8) {
		h264Key(b)
		var h rtp.Header
		_, _ = parse(&h, b)
		m, key := parseVP8(b)
		moved := bytes.Clone(b)
		m.shift(moved, picture, tl0)
		again, keyAgain := parseVP8(moved)
		if key != keyAgain || again.pictureAt != m.pictureAt || again.tl0At != m.tl0At {
			t.Fatalf("shifting changed the shape: %+v %v, %+v %v", m, key, again, keyAgain)
		}
		again.shift(moved, -picture, -tl0)
		if !bytes.Equal(moved, b) {
			t.Fatalf("shifting back gives % x, was % x", moved, b)
		}
	})
}
