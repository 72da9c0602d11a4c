package ws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gorilla/websocket"

	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/bus"
)

// script is a line whose other side says what is written down, in pieces of a
// size, and is gone.
type script struct {
	net.Conn
	in   []byte
	step int
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.step)], s.in)
	s.in = s.in[n:]
	return n, nil
}

func (*script) Write(p []byte) (int, error)      { return len(p), nil }
func (*script) Close() error                     { return nil }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

type scriptWriter struct {
	*httptest.ResponseRecorder
	line *script
}

func (w scriptWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.line, bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), bufio.NewWriter(w.line)), nil
}

// said is a message as it was read.
type said struct {
	kind    byte
	payload string
}

// byInbox reads a stream, with budgets that are never exceeded.
func byInbox(t *testing.T, hub *realtime.Hub, stream []byte, step int, deflated bool) (all []said, err error) {
	t.Helper()
	ticket, err := hub.Reserve(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	door := &Handler{cfg: Config{Hub: hub, Now: func() time.Time { now = now.Add(time.Minute); return now }}}
	line := &script{in: stream, step: step}
	v := &viewer{line: line, deflated: deflated, page: page{handler: door, remote: ticket.Attach(newSocket(line), realtime.Frames)}}
	defer v.remote.Detach()
	in := inboxFor(v)
	defer in.free()
	for {
		kind, payload, err := in.read()
		switch {
		case err != nil:
			return all, err
		case kind != 0:
			all = append(all, said{kind, string(payload)})
		}
	}
}

// byGorilla reads the same.
func byGorilla(t *testing.T, stream []byte, step int, deflated bool) (all []said, err error) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	if deflated {
		r.Header.Set(extensions, deflate)
	}
	upgrader := websocket.Upgrader{EnableCompression: true, ReadBufferSize: 256}
	conn, err := upgrader.Upgrade(scriptWriter{httptest.NewRecorder(), &script{in: stream, step: step}}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(MaxMessage)
	for {
		kind, from, err := conn.NextReader()
		if err != nil {
			return all, err
		}
		payload, err := io.ReadAll(io.LimitReader(from, MaxMessage+1))
		if err != nil {
			return all, err
		}
		all = append(all, said{byte(kind), string(payload)})
	}
}

func frameOf(first byte, payload string) []byte {
	b := []byte{first, maskedBit | byte(len(payload))}
	if len(payload) > maxPlain {
		b = binary.BigEndian.AppendUint16([]byte{first, maskedBit | maxPlain + 1}, uint16(len(payload)))
	}
	mask := [maskBytes]byte{1, 2, 3, 4}
	body := []byte(payload)
	unmask(body, mask)
	return append(append(b, mask[:]...), body...)
}

// FuzzInbox: what an inbox reads is what another implementation reads, up to
// where either finds something broken. The inbox is stricter in three things: a
// mark of compression where RFC 7692 section 6.1 has none, half a close code, and
// what comes behind the end of compressed data, which counts as the message's.
func FuzzInbox(f *testing.F) {
	hub, err := realtime.NewHub(realtime.Config{Bus: bus.NewMemory(), Snapshot: func(context.Context, realtime.RoomID) ([]realtime.Event, error) { return nil, nil }})
	if err != nil {
		f.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	f.Cleanup(func() { stop(); <-done })
	for !hub.Go(func() {}) {
		time.Sleep(time.Millisecond)
	}
	pressed := string([]byte{0xaa, 0x56, 0x2a, 0x51, 0xb2, 0x52, 0x2a, 0x01})
	for _, seed := range [][]byte{
		nil, frameOf(finBit|opText, "{}"), frameOf(finBit|opBinary, "x"), frameOf(finBit|opText, strings.Repeat("x", MaxMessage)),
		frameOf(finBit|opText, strings.Repeat("x", MaxMessage+1)), frameOf(finBit|opPing, strings.Repeat("x", maxControl)),
		append(append(frameOf(opText, "{"), frameOf(finBit|opPong, "")...), frameOf(finBit, "}")...), frameOf(finBit|opClose, "\x03\xe8bye"),
		frameOf(finBit|opClose, "\x03"), frameOf(finBit|opText|rsv1Bit, pressed), append(frameOf(opText|rsv1Bit, pressed[:3]), frameOf(finBit, pressed[3:])...),
		frameOf(finBit|opPong|rsv1Bit, ""), {finBit | opText, maskedBit | 127, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'x'},
		{finBit | opText, maskedBit | 127, 0xFF, 0, 0, 0, 0, 0, 0, 1}, {finBit | opText, 1, 'x'}, {finBit | 0x20 | opText, maskedBit},
	} {
		f.Add(append(bytes.Clone(seed), frameOf(finBit|opText, "behind")...), uint16(1<<15), false)
		f.Add(append(frameOf(finBit|opText, "before"), seed...), uint16(1), true)
	}
	f.Fuzz(func(t *testing.T, stream []byte, step uint16, deflated bool) {
		if len(stream) > BytesBurst/2 {
			return
		}
		got, wrong := byInbox(t, hub, bytes.Clone(stream), max(1, int(step)), deflated)
		want, other := byGorilla(t, bytes.Clone(stream), max(1, int(step)), deflated)
		for i, m := range got {
			if i == len(want) || m != want[i] {
				t.Fatalf("message %d is %q, of %q (%v)", i, m, want, other)
			}
		}
		var broken brokenFrame
		stricter := deflated || errors.As(wrong, &broken) && broken == "half a close code"
		if len(got) != len(want) && !stricter {
			t.Fatalf("%d messages, then %v; want %d, then %v", len(got), wrong, len(want), other)
		}
		var closed *websocket.CloseError
		closes := errors.As(other, &closed) && closed.Code != websocket.CloseAbnormalClosure // what it calls a line that ends
		if left := errors.Is(wrong, errLeft); left != closes && !stricter {
			t.Fatalf("it ends with %v, want %v", wrong, other)
		}
	})
}

// TestSizeOfAPage: what is kept of a page that rests stays within the allocator's
// class of this size.
func TestSizeOfAPage(t *testing.T) {
	const most = 96
	if size := unsafe.Sizeof(viewer{}); size > most {
		t.Errorf("a viewer has %d bytes, %d at most", size, most)
	}
}
