package lean

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func framed(packets ...[]byte) []byte {
	var b []byte
	for _, p := range packets {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
		b = append(b, p...)
	}
	return b
}

// readFrames reads until an error.
func readFrames(r io.Reader) (got [][]byte, err error) {
	var f frames
	for err == nil {
		err = f.read(r, func(b []byte) error {
			got = append(got, bytes.Clone(b))
			return nil
		})
	}
	return got, err
}

// pieces are what each Read of a connection returns.
type pieces [][]byte

func (p *pieces) Read(b []byte) (int, error) {
	if len(*p) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p)[0])
	if (*p)[0] = (*p)[0][n:]; len((*p)[0]) == 0 {
		*p = (*p)[1:]
	}
	return n, nil
}

func TestFramesSplitAnywhere(t *testing.T) {
	want := [][]byte{{1}, bytes.Repeat([]byte{2}, 300), {}, {3, 4, 5}}
	all := framed(want...)
	want = [][]byte{want[0], want[1], want[3]}
	for at := 1; at < len(all); at++ {
		got, err := readFrames(&pieces{all[:at], all[at:]})
		if !errors.Is(err, io.EOF) || !equalPackets(got, want) {
			t.Fatalf("split at %d: %d packets, %v", at, len(got), err)
		}
	}
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(all), "byte by byte": iotest.OneByteReader(bytes.NewReader(all)), "with the error": iotest.DataErrReader(bytes.NewReader(all)),
	} {
		if got, err := readFrames(r); !errors.Is(err, io.EOF) || !equalPackets(got, want) {
			t.Errorf("%s: %d packets, %v", name, len(got), err)
		}
	}
}

func equalPackets(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func TestFramesLimit(t *testing.T) {
	longest := bytes.Repeat([]byte{128}, maxFrame)
	many := [][]byte{longest, longest, {1}, longest}
	if got, err := readFrames(bytes.NewReader(framed(many...))); !errors.Is(err, io.EOF) || !equalPackets(got, many) {
		t.Errorf("at the limit: %d packets, %v", len(got), err)
	}
	got, err := readFrames(bytes.NewReader(framed([]byte{7}, append(longest, 0))))
	if !errors.Is(err, errFrame) || len(got) != 1 {
		t.Errorf("one past: %d packets, %v", len(got), err)
	}
	for _, text := range []string{"GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH\r\n", "\x16\x03\x01\x02\x00\x01"} {
		if got, err := readFrames(bytes.NewReader([]byte(text))); !errors.Is(err, errFrame) || len(got) != 0 {
			t.Errorf("%q: %d packets, %v", text, len(got), err)
		}
	}
}

func TestFramesStopWhenTold(t *testing.T) {
	stop := errors.New("stop")
	var f frames
	calls := 0
	err := f.read(bytes.NewReader(framed([]byte{1}, []byte{2})), func([]byte) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestOutboxKeepsOrderAndGivesRoomBack(t *testing.T) {
	var o outbox
	var want, got []byte
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 2000 {
		p := bytes.Repeat([]byte{byte(round)}, 1+random.IntN(1500))
		if !o.add(p) {
			t.Fatalf("no room in round %d: %d bytes", round, o.bytes)
		}
		want = append(want, framed(p)...)
		if round%7 == 0 {
			for b := o.take(); b != nil; b = o.take() {
				got = append(got, b.data[:b.n]...)
				o.give(b)
			}
		}
	}
	for b := o.take(); b != nil; b = o.take() {
		got = append(got, b.data[:b.n]...)
		o.give(b)
	}
	if !bytes.Equal(got, want) || o.bytes != 0 || len(o.waiting) != 0 {
		t.Errorf("%d bytes of %d; %d counted as waiting", len(got), len(want), o.bytes)
	}
}

func TestOutboxLimits(t *testing.T) {
	var o outbox
	for _, tc := range []struct {
		name string
		b    []byte
		want bool
	}{{"empty", nil, false}, {"longest", make([]byte, maxFrame), true}, {"longer", make([]byte, maxFrame+1), false}} {
		if got := o.add(tc.b); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	o.empty()
	fill := func(first byte, room int) {
		t.Helper()
		for o.bytes < room {
			size := min(1200, room-o.bytes-frameHeader)
			if left := room - o.bytes - size - frameHeader; left > 0 && left <= frameHeader {
				size -= 10 // what is left has room for a packet
			}
			p := make([]byte, size)
			p[0] = first
			if !o.add(p) {
				t.Fatalf("no room for %d at %d of %d", size, o.bytes, room)
			}
		}
	}
	fill(128, outboxBytes)
	if o.add([]byte{128}) {
		t.Error("media past its bound")
	}
	fill(0, outboxBytes+outboxReserve) // checks have room all the same
	if o.add([]byte{0}) {
		t.Error("a check past the bound")
	}
	// What the writer holds still counts, until it is written.
	b := o.take()
	if o.add([]byte{0}) {
		t.Error("room for what is only on its way")
	}
	o.give(b)
	if !o.add([]byte{0}) {
		t.Error("no room after a block was written")
	}
	o.empty()
	if o.bytes != 0 || o.take() != nil {
		t.Errorf("%d bytes after emptying", o.bytes)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(framed([]byte{1}, []byte{2, 3}), uint8(3))
	f.Add(framed(nil, bytes.Repeat([]byte{9}, maxFrame)), uint8(200))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		var split pieces
		for rest := b; len(rest) > 0; {
			n := min(len(rest), int(step)+1)
			split = append(split, rest[:n])
			rest = rest[n:]
		}
		got, err := readFrames(&split)
		for rest := b; ; got = got[1:] {
			var size int
			for len(rest) >= 2 && binary.BigEndian.Uint16(rest) == 0 {
				rest = rest[2:]
			}
			if len(rest) >= 2 {
				size = int(binary.BigEndian.Uint16(rest))
			}
			switch {
			case size > maxFrame:
				if len(got) != 0 || !errors.Is(err, errFrame) {
					t.Fatalf("%d packets too many, %v", len(got), err)
				}
				return
			case size == 0 || len(rest) < 2+size:
				if len(got) != 0 || !errors.Is(err, io.EOF) {
					t.Fatalf("%d packets too many, %v", len(got), err)
				}
				return
			case len(got) == 0 || !bytes.Equal(got[0], rest[2:2+size]):
				t.Fatalf("a packet of %d bytes is wrong or missing", size)
			}
			rest = rest[2+size:]
		}
	})
}
