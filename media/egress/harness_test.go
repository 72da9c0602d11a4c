package egress

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// tb is testing.TB as far as it is needed, and rapid's.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var _ tb = (*rapid.T)(nil)

// patience is when a packet that does not come fails the test.
const patience = 10 * time.Second

func open(t testing.TB, addr string, sockets int) *Port {
	t.Helper()
	p, err := Listen(addr, sockets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// sink is a client's socket, with room for what a test sends before it is read.
type sink struct {
	conn *net.UDPConn
	addr netip.AddrPort
	buf  []byte
}

func newSink(t testing.TB, network, ip string) *sink {
	t.Helper()
	conn, err := net.ListenUDP(network, &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadBuffer(socketBuffer); err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return &sink{conn: conn, addr: netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), buf: make([]byte, 1<<16)}
}

func (s *sink) expect(t tb, want []byte) {
	t.Helper()
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	n, _, err := s.conn.ReadFromUDPAddrPort(s.buf)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.buf[:n], want) {
		t.Fatalf("%d bytes % .8x..., want %d bytes % .8x...", n, s.buf[:n], len(want), want)
	}
}

// nothingMore sends a mark of its own, which must be the next to come.
func (s *sink) nothingMore(t tb) {
	t.Helper()
	if _, err := s.conn.WriteToUDPAddrPort([]byte("mark"), s.addr); err != nil {
		t.Fatal(err)
	}
	s.expect(t, []byte("mark"))
}

// add puts a packet of n bytes into the outlet; its content is told by its number.
func add(o *Outlet, to netip.AddrPort, number, n int) []byte {
	b := o.Room(n)
	for i := range n {
		b = append(b, byte(number*31+i*7+i>>8))
	}
	packet := bytes.Clone(b)
	o.Add(to, n)
	return packet
}

// onOneCPU keeps the test's thread where it is: loopback has one queue a processor, so that a sender that is moved between
// two calls might overtake itself. The thread ends with the test.
func onOneCPU(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if all.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
}

func option(t testing.TB, s *Socket, level, name, value int) {
	t.Helper()
	var err error
	if closed := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, name, value) }); closed != nil || err != nil {
		t.Fatal(closed, err)
	}
}

// answers has the first system calls end as a list says, before the kernel is asked.
func answers(o *Outlet, list ...func(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno)) (calls *int) {
	calls = new(int)
	o.sendmmsg = func(fd uintptr, messages []unix.Mmsghdr) (int, syscall.Errno) {
		*calls++
		if *calls <= len(list) {
			return list[*calls-1](fd, messages)
		}
		return sendmmsg(fd, messages)
	}
	return calls
}

func fails(errno syscall.Errno) func(uintptr, []unix.Mmsghdr) (int, syscall.Errno) {
	return func(uintptr, []unix.Mmsghdr) (int, syscall.Errno) { return -1, errno }
}
