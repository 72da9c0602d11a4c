package lean

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// streamPatience bounds what is no promise; nothing waits for it when all is well.
const streamPatience = 20 * time.Second

// streamPort is streams on a real port until the test ends.
type streamPort struct {
	*streams
	t    testing.TB
	addr string
	got  chan arrival
	gone chan path
	stop func()
}

type arrival struct {
	b    []byte
	from path
}

// openStreams keeps what says "keep".
func openStreams(t testing.TB) *streamPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &streamPort{t: t, addr: l.Addr().String(), got: make(chan arrival, 4096), gone: make(chan path, 4096)}
	p.streams = newStreams(l, func(b []byte, from path) {
		if b[0] == 0 {
			p.keep(from)
		}
		p.got <- arrival{bytes.Clone(b), from}
	})
	p.onGone = func(from path) { p.gone <- from }
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

// dial connects from an address of its own, if one is given.
func (p *streamPort) dial(from string) *net.TCPConn {
	p.t.Helper()
	var d net.Dialer
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// refused dials and is sent away, which it may be told of at once.
func (p *streamPort) refused(from string) {
	p.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.Dial("tcp", p.addr)
	switch {
	case err == nil:
		defer conn.Close()
		closed(p.t, conn)
	case !errors.Is(err, syscall.ECONNRESET):
		p.t.Error(err)
	}
}

// viewer dials and is kept.
func (p *streamPort) viewer() (*net.TCPConn, path) {
	p.t.Helper()
	conn := p.dial("")
	p.say(conn, []byte{0, 1})
	from := p.next().from
	return conn, from
}

func (p *streamPort) say(conn net.Conn, packets ...[]byte) {
	p.t.Helper()
	if _, err := conn.Write(framed(packets...)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *streamPort) next() arrival {
	p.t.Helper()
	select {
	case a := <-p.got:
		return a
	case <-time.After(streamPatience):
		p.t.Fatal("nothing came")
		return arrival{}
	}
}

func (p *streamPort) await(what string, come func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(streamPatience); !come(); runtime.Gosched() {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: never", what)
		}
	}
}

// hear reads one frame as a client does.
func hear(t testing.TB, conn net.Conn) []byte {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(streamPatience))
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(conn, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// closed waits for the other side to close, in whatever way.
func closed(t testing.TB, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(streamPatience))
	if n, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("still open after %d bytes", n)
	}
}

func TestStreamsCarryBothWays(t *testing.T) {
	p := openStreams(t)
	conn := p.dial("")
	local := path{addr: conn.LocalAddr().(*net.TCPAddr).AddrPort(), tcp: true}
	p.say(conn, []byte{0, 1}, []byte{}, []byte{1, 2, 3}) // two packets and an empty one in a segment
	for _, want := range [][]byte{{0, 1}, {1, 2, 3}} {
		if a := p.next(); !bytes.Equal(a.b, want) || a.from != local {
			t.Errorf("%v from %v, want %v from %v", a.b, a.from, want, local)
		}
	}
	for i := range 100 {
		if !p.write(bytes.Repeat([]byte{128, byte(i)}, 600), local) {
			t.Fatalf("packet %d was not taken", i)
		}
	}
	for i := range 100 {
		if b := hear(t, conn); !bytes.Equal(b, bytes.Repeat([]byte{128, byte(i)}, 600)) {
			t.Fatalf("packet %d came as %d bytes, %v", i, len(b), b[:2])
		}
	}
	udp, nobody := local, local
	udp.tcp = false
	nobody.addr = netip.MustParseAddrPort("127.0.0.1:1")
	if p.write([]byte{128}, udp) || p.write([]byte{128}, nobody) {
		t.Error("written to nobody")
	}
	p.keep(nobody)
	p.drop(nobody)
}

// Once its client has closed, a connection is gone: the session is told once, and its path is nobody's.
func TestStreamsGoneClient(t *testing.T) {
	p := openStreams(t)
	conn, at := p.viewer()
	stranger := p.dial("")
	p.await("both are open", func() bool { open, strange := p.size(); return open == 2 && strange == 1 })
	_ = conn.Close()
	_ = stranger.Close()
	if from := <-p.gone; from != at {
		t.Errorf("%v is gone, want %v", from, at)
	}
	p.await("both are gone", func() bool { open, strange := p.size(); return open == 0 && strange == 0 })
	if p.write([]byte{128}, at) {
		t.Error("written to who is gone")
	}
	p.stop()
	if len(p.gone) != 0 {
		t.Error("told of a stranger, or twice")
	}
}

// What cannot be ours ends the connection, of a stranger and of one that was kept.
func TestStreamsEndGarbage(t *testing.T) {
	for name, b := range map[string][]byte{
		"oversize": framed(make([]byte, maxFrame+1)), "http": []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			p := openStreams(t)
			conn, _ := p.viewer()
			stranger := p.dial("")
			for _, c := range []net.Conn{conn, stranger} {
				if _, err := c.Write(b); err != nil {
					t.Fatal(err)
				}
				closed(t, c)
			}
			p.await("both are counted", func() bool { return p.counts.broken.Load() == 2 })
		})
	}
}

// Before the first authenticated check nothing but a check is passed on.
func TestStreamsStrangersMayOnlyCheck(t *testing.T) {
	p := openStreams(t)
	for _, first := range []byte{4, 22, 128, 255} {
		conn := p.dial("")
		p.say(conn, []byte{3, 0}, []byte{first, 0}) // a STUN message, but none that is kept
		if a := p.next(); a.b[0] != 3 {
			t.Errorf("%v came", a.b)
		}
		closed(t, conn)
	}
	conn, _ := p.viewer()
	p.say(conn, []byte{22, 0})
	if a := p.next(); a.b[0] != 22 || len(p.got) != 0 {
		t.Errorf("%v came, %d more", a.b, len(p.got))
	}
}

func TestStreamsStrangersPerSource(t *testing.T) {
	p := openStreams(t)
	var in []*net.TCPConn
	for range maxStrangersPerSource {
		in = append(in, p.dial("127.0.0.1"))
	}
	p.await("all are in", func() bool { _, n := p.size(); return n == maxStrangersPerSource })
	p.refused("127.0.0.1")
	if n := p.counts.refusedSource.Load(); n != 1 {
		t.Errorf("%d refused", n)
	}
	// Others are not concerned, and one that is kept makes room.
	p.say(p.dial("127.0.0.2"), []byte{0, 9})
	p.say(in[0], []byte{0, 8})
	if a, b := p.next(), p.next(); a.b[1]+b.b[1] != 17 {
		t.Errorf("%v, %v", a, b)
	}
	p.say(p.dial("127.0.0.1"), []byte{3, 7})
	if a := p.next(); a.b[1] != 7 {
		t.Errorf("%v", a)
	}
}

func TestStreamsStrangersInAll(t *testing.T) {
	p := openStreams(t)
	for i := range maxStrangers {
		p.dial(fmt.Sprintf("127.0.1.%d", 1+i/maxStrangersPerSource))
	}
	p.await("all are in", func() bool { _, n := p.size(); return n == maxStrangers })
	p.refused("127.0.2.1")
	if full, source := p.counts.refusedFull.Load(), p.counts.refusedSource.Load(); full != 1 || source != 0 {
		t.Errorf("%d and %d refused", full, source)
	}
}

func TestStreamsSources(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1", true}, {"2001:db8::1", "2001:db8:0:1::1", false}, {"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		if same := sourceOf(netip.MustParseAddr(tc.a)) == sourceOf(netip.MustParseAddr(tc.b)); same != tc.same {
			t.Errorf("%s and %s: %v", tc.a, tc.b, same)
		}
	}
}

// One client may reach two addresses of ours from one port. A path names one of them.
func TestStreamsTwin(t *testing.T) {
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &streamPort{t: t}
	p.streams = newStreams(l, func([]byte, path) {})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	reuse := func(_, _ string, c syscall.RawConn) (err error) {
		cerr := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) })
		return errors.Join(err, cerr)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d := net.Dialer{Control: reuse, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	first, err := d.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	p.await("the first is in", func() bool { n, _ := p.size(); return n == 1 })
	d.LocalAddr = first.LocalAddr()
	if second, err := d.Dial("tcp", "127.0.0.2:"+port); err == nil {
		closed(t, second)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if n, _ := p.size(); n != 1 || p.counts.refusedTwin.Load() != 1 {
		t.Errorf("%d open, %d refused", n, p.counts.refusedTwin.Load())
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	closed(t, first)
}

// A viewer that does not read fills its own queue and nobody else's; what was taken comes whole and in order.
func TestStreamsSlowReader(t *testing.T) {
	p := openStreams(t)
	slow, slowAt := p.viewer()
	quick, quickAt := p.viewer()
	packet := bytes.Repeat([]byte{128}, 1200)
	taken := 0
	for ; ; taken++ {
		binary.BigEndian.PutUint32(packet[4:], uint32(taken))
		if !p.write(packet, slowAt) {
			break
		}
		if taken > 1e6 {
			t.Fatal("the queue has no end")
		}
	}
	if p.counts.full.Load() == 0 {
		t.Error("what had no room is not counted")
	}
	if !p.write([]byte{1, 1}, slowAt) {
		t.Error("no room for the answer to a check")
	}
	if !p.write([]byte{128, 5}, quickAt) || !bytes.Equal(hear(t, quick), []byte{128, 5}) {
		t.Error("another viewer has to wait")
	}
	for i := range taken {
		if b := hear(t, slow); len(b) != len(packet) || binary.BigEndian.Uint32(b[4:]) != uint32(i) {
			t.Fatalf("packet %d of %d came as %d bytes, %v", i, taken, len(b), b[:8])
		}
	}
	if b := hear(t, slow); !bytes.Equal(b, []byte{1, 1}) {
		t.Errorf("then %v", b)
	}
	if !p.write(packet, slowAt) {
		t.Error("no room although all is read")
	}
}

func TestStreamsDrop(t *testing.T) {
	p := openStreams(t)
	conn, at := p.viewer()
	p.write([]byte{21, 1}, at)
	p.drop(at)
	p.drop(at)
	if p.write([]byte{128}, at) {
		t.Error("written after it was dropped")
	}
	if n, _ := p.size(); n != 0 {
		t.Errorf("%d open", n)
	}
	if b := hear(t, conn); !bytes.Equal(b, []byte{21, 1}) {
		t.Errorf("the last word was %v", b)
	}
	closed(t, conn)
	p.stop()
	if len(p.gone) != 0 {
		t.Error("told of its own drop")
	}
}

// A session may drop the path that it is being called from.
func TestStreamsDropWhileTaking(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var s *streams
	s = newStreams(l, func(_ []byte, from path) {
		s.keep(from)
		s.write([]byte{1}, from)
		s.drop(from)
	})
	p := &streamPort{t: t, addr: l.Addr().String(), streams: s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	conn := p.dial("")
	p.say(conn, []byte{0})
	if b := hear(t, conn); !bytes.Equal(b, []byte{1}) {
		t.Errorf("%v", b)
	}
	closed(t, conn)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStreamsEndWithRun(t *testing.T) {
	p := openStreams(t)
	var conns []*net.TCPConn
	for i := range 20 {
		conn, at := p.viewer()
		if !p.write([]byte{21, byte(i)}, at) {
			t.Fatal("no room")
		}
		conns = append(conns, conn)
	}
	stranger := p.dial("")
	p.await("all are in", func() bool { n, _ := p.size(); return n == 21 })
	p.stop()
	for i, conn := range conns {
		if b := hear(t, conn); !bytes.Equal(b, []byte{21, byte(i)}) {
			t.Errorf("the last word was %v", b)
		}
		closed(t, conn)
	}
	closed(t, stranger)
	if open, strange := p.size(); open != 0 || strange != 0 || len(p.strangers) != 0 || len(p.gone) != 0 {
		t.Errorf("%d open, %d strange, %v, %d gone", open, strange, p.strangers, len(p.gone))
	}
	if conn, err := net.Dial("tcp", p.addr); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
}

// Many come and go in every way, written to all the while; nothing of them stays.
func TestStreamsChurn(t *testing.T) {
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
	p := openStreams(t)
	var group sync.WaitGroup
	for from := range 8 {
		group.Go(func() {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 3, byte(1+from))}}
			for i := range 60 {
				conn, err := d.Dial("tcp", p.addr)
				if errors.Is(err, syscall.ECONNRESET) {
					continue // too many strangers from there: they are closed a moment later than here
				}
				if err != nil {
					t.Error(err)
					return
				}
				at := path{addr: conn.LocalAddr().(*net.TCPAddr).AddrPort(), tcp: true}
				_, _ = conn.Write(framed([]byte{byte(i % 2), 0})) // each second is kept
				p.write(make([]byte, 1000), at)
				switch i % 5 {
				case 0:
					_, _ = conn.Write([]byte("garbage")) // it may be closed already
				case 1:
					p.drop(at)
				case 2:
					_ = conn.(*net.TCPConn).SetLinger(0)
				}
				p.write(bytes.Repeat([]byte{128}, 1000), at)
				_ = conn.Close()
			}
		})
	}
	closing := make(chan struct{})
	go func() { defer close(closing); group.Wait() }()
	for done := false; !done; {
		select {
		case <-p.got:
		case <-p.gone:
		case <-closing:
			done = true
		}
	}
	p.await("all are gone", func() bool { open, strange := p.size(); return open == 0 && strange == 0 })
	p.stop()
	if len(p.strangers) != 0 {
		t.Errorf("sources left: %v", p.strangers)
	}
	if now := runtime.NumGoroutine(); now > goroutines+20 {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	if now := countDescriptors(t); now > descriptors+20 {
		t.Errorf("%d descriptors, %d before", now, descriptors)
	}
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
