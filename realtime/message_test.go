package realtime

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// inflate reads a compressed frame as RFC 7692 section 7.2.2 says.
func inflate(t *testing.T, frame []byte) string {
	t.Helper()
	r := flate.NewReader(io.MultiReader(bytes.NewReader(bare(frame)), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMessageIsMadeReadyOnceForEachEncoding(t *testing.T) {
	text := fmt.Sprintf(`{"t":"tick","d":[%s]}`, strings.Repeat(`{"t":"stock.set","d":{"left":3}},`, 20)+"1")
	m := newMessage([]byte(text))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for e := range encodings {
				m.as(e)
			}
		})
	}
	all.Wait()
	for e := range encodings {
		if first, again := m.as(e), m.as(e); &first[0] != &again[0] {
			t.Errorf("encoding %d is made anew", e)
		}
	}
	if got := m.as(Frames); string(bare(got)) != text || got[0] != finBit|opText {
		t.Errorf("a frame: % x…", got[:4])
	}
	if got := m.as(Deflated); got[0] != finBit|rsv1Bit|opText || inflate(t, got) != text || len(got) > len(text)/4 {
		t.Errorf("compressed, %d bytes of %d: % x…", len(got), len(text), got[:4])
	}
	if got := string(m.as(Lines)); got != "data: "+text+"\n\n" {
		t.Errorf("lines: %q", got)
	}
}

func TestWhatIsNotWorthCompressingIsNot(t *testing.T) {
	for _, text := range []string{`{"t":"me","v":1}`, `{"d":"` + noise(deflateAbove) + `"}`} {
		if got := newMessage([]byte(text)).as(Deflated); got[0] != finBit|opText || string(bare(got)) != text {
			t.Errorf("%.20q… is sent as % x…", text, got[:4])
		}
	}
}

// noise is n bytes that no compression makes shorter: text of all printable letters, drawn by a fixed rule.
func noise(n int) string {
	b, x := make([]byte, n), uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

func TestLinesOfOtherThings(t *testing.T) {
	if got := string(Lines.text([]byte("{\"a\":\r\n1}"))); got != "data: {\"a\":  1}\n\n" {
		t.Errorf("a broken line: %q", got)
	}
	if got := string(Lines.ping()); got != ":\n\n" {
		t.Errorf("a ping: %q", got)
	}
	data, ok := strings.CutPrefix(string(Lines.end(CodeSlow, "too \"slow\"\n")), "event: close\ndata: ")
	var end struct {
		Code   Code
		Reason string
	}
	if err := json.Unmarshal([]byte(data), &end); !ok || err != nil || end.Code != CodeSlow || end.Reason != "too \"slow\"\n" {
		t.Errorf("an end: %q %v", data, err)
	}
	if got := Deflated.end(CodeSlow, "x"); !bytes.Equal(got, Frames.end(CodeSlow, "x")) {
		t.Error("a close frame is compressed")
	}
}
