package egress

import (
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// frame adds packets of one size to a sink.
func frame(o *Outlet, to netip.AddrPort, packets, size int) (added [][]byte) {
	for i := range packets {
		added = append(added, add(o, to, i, size))
	}
	return added
}

func expectAll(t *testing.T, k *sink, packets ...[]byte) {
	t.Helper()
	for _, p := range packets {
		k.expect(t, p)
	}
	k.nothingMore(t)
}

// broadcast is what the kernel itself refuses to send to, with EACCES, as long as the socket does not ask for it. Go asks.
var broadcast = netip.MustParseAddrPort("255.255.255.255:9")

func refuseBroadcast(t *testing.T, p *Port) {
	t.Helper()
	option(t, p.Sockets()[0], unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
}

func TestOnlyTheRefusedMessageIsLost(t *testing.T) {
	for _, test := range []struct {
		name   string
		refuse func(o *Outlet)
		failed uint64
	}{
		{"no right to send there", func(o *Outlet) { add(o, broadcast, 1, 100) }, 1},
		{"a run", func(o *Outlet) { frame(o, broadcast, 5, 100) }, 5},
		{"a packet too long", func(o *Outlet) { add(o, netip.MustParseAddrPort("127.0.0.1:9"), 1, 1<<16-1) }, 1},
		{"no room to cut", func(o *Outlet) { frame(o, netip.MustParseAddrPort("127.0.0.1:9"), 2, 1<<16-1) }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			onOneCPU(t)
			p := open(t, ":0", 1)
			refuseBroadcast(t, p)
			o := p.Sockets()[0].NewOutlet()
			k := newSink(t, "udp4", "127.0.0.1")
			test.refuse(o) // first, in between, and last
			want := frame(o, k.addr, 5, 1000)
			test.refuse(o)
			test.refuse(o)
			want = append(want, add(o, k.addr, 9, 136))
			test.refuse(o)
			o.Flush()
			expectAll(t, k, want...)
			if got := p.Stats(); got != (Stats{2, 6, 4 * test.failed, true}) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestNoWayThere(t *testing.T) {
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{}) // IPv6 alone: IPv4 is ENETUNREACH
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPort([]*net.UDPConn{conn})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	four, six := newSink(t, "udp4", "127.0.0.1"), newSink(t, "udp6", "::1")
	o := p.Sockets()[0].NewOutlet()
	frame(o, four.addr, 3, 500)
	want := frame(o, six.addr, 3, 500)
	o.Flush()
	expectAll(t, six, want...)
	four.nothingMore(t)
	if got := p.Stats(); got != (Stats{1, 3, 3, true}) {
		t.Errorf("%+v", got)
	}
}

// A kernel that computes no checksums does not cut.
func TestKernelThatDoesNotCut(t *testing.T) {
	onOneCPU(t)
	p := open(t, "127.0.0.1:0", 1)
	s := p.Sockets()[0]
	o, k := s.NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	send := func() {
		t.Helper()
		want := append(frame(o, k.addr, 4, 1200), add(o, k.addr, 4, 700))
		o.Flush()
		expectAll(t, k, want...)
	}
	option(t, s, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	for range maxRefusals - 1 {
		send()
	}
	if !p.Stats().GSO {
		t.Fatalf("it rests after %d refusals", maxRefusals-1)
	}
	option(t, s, unix.SOL_SOCKET, unix.SO_NO_CHECK, 0)
	send() // one that is cut, and all is forgotten
	option(t, s, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	for range maxRefusals {
		if !p.Stats().GSO {
			t.Fatal("it rests too early")
		}
		send()
	}
	if p.Stats().GSO {
		t.Fatalf("it is still tried after %d refusals", maxRefusals)
	}
	before, calls := p.Stats(), answers(o)
	send()
	if now := p.Stats(); now.Messages-before.Messages != 5 || *calls != 1 {
		t.Errorf("%d messages in %d calls without GSO", now.Messages-before.Messages, *calls)
	}
	option(t, s, unix.SOL_SOCKET, unix.SO_NO_CHECK, 0)
	s.rests.Store(1) // it has rested
	send()           // gathered before it was seen
	before = p.Stats()
	send()
	if now := p.Stats(); !now.GSO || now.Messages-before.Messages != 1 || now.Failed != 0 {
		t.Errorf("after its rest: %+v", now)
	}
}

// A path that is narrower than the packets has them sent one by one, in fragments, and speaks for no other path.
func TestNarrowPath(t *testing.T) {
	onOneCPU(t)
	p := open(t, "[::]:0", 1)
	s := p.Sockets()[0]
	narrow, wide := newSink(t, "udp6", "::1"), newSink(t, "udp4", "127.0.0.1")
	option(t, s, unix.SOL_IPV6, unix.IPV6_MTU, 1280) // of its IPv6 alone
	o := s.NewOutlet()
	for range 2 * maxRefusals {
		first, second := frame(o, narrow.addr, 5, 1300), frame(o, wide.addr, 5, 1300)
		o.Flush()
		expectAll(t, narrow, first...)
		expectAll(t, wide, second...)
	}
	if got := p.Stats(); got != (Stats{2 * maxRefusals * 6, 2 * maxRefusals * 10, 0, true}) {
		t.Errorf("%+v", got)
	}
}

// An address that the kernel refuses with the same error as a message that it cannot cut says nothing about cutting: here
// EINVAL, for an address that cannot be reached from the loopback interface.
func TestRefusedAddressIsNotTakenForRefusedCutting(t *testing.T) {
	onOneCPU(t)
	p := open(t, "127.0.0.1:0", 1)
	o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	nowhere := netip.MustParseAddrPort("203.0.113.1:9")
	for range 2 * maxRefusals {
		frame(o, nowhere, 3, 200)
		o.Flush()
	}
	want := frame(o, k.addr, 3, 200)
	o.Flush()
	expectAll(t, k, want...)
	if got := p.Stats(); got != (Stats{1, 3, 2 * maxRefusals * 3, true}) {
		t.Errorf("%+v", got)
	}
}

func TestCallsThatDoNotTakeAll(t *testing.T) {
	onOneCPU(t)
	some := func(n int) func(uintptr, []unix.Mmsghdr) (int, syscall.Errno) {
		return func(fd uintptr, m []unix.Mmsghdr) (int, syscall.Errno) { return sendmmsg(fd, m[:min(n, len(m))]) }
	}
	for _, test := range []struct {
		name  string
		first []func(uintptr, []unix.Mmsghdr) (int, syscall.Errno)
		calls int
	}{
		{"all", nil, 1},
		{"one", []func(uintptr, []unix.Mmsghdr) (int, syscall.Errno){some(1)}, 2},
		{"one by one", []func(uintptr, []unix.Mmsghdr) (int, syscall.Errno){some(1), some(1), some(1)}, 3},
		{"a signal", []func(uintptr, []unix.Mmsghdr) (int, syscall.Errno){fails(unix.EINTR), some(2), fails(unix.EINTR)}, 4},
		{"a full way", []func(uintptr, []unix.Mmsghdr) (int, syscall.Errno){fails(unix.EAGAIN), some(1), fails(unix.EAGAIN), fails(unix.EAGAIN)}, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			onOneCPU(t)
			p := open(t, ":0", 1)
			o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
			calls := answers(o, test.first...)
			want := append(append(frame(o, k.addr, 3, 1000), frame(o, k.addr, 3, 1100)...), frame(o, k.addr, 2, 1200)...)
			o.Flush()
			expectAll(t, k, want...)
			if got := p.Stats(); got != (Stats{3, 8, 0, true}) || *calls != test.calls {
				t.Errorf("%+v in %d calls", got, *calls)
			}
		})
	}
}

func TestFullWayIsNotWaitedForTwice(t *testing.T) {
	p := open(t, ":0", 1)
	o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	full, calls := true, 0
	o.sendmmsg = func(fd uintptr, m []unix.Mmsghdr) (int, syscall.Errno) {
		calls++
		if full {
			return -1, unix.EAGAIN
		}
		return sendmmsg(fd, m)
	}
	frame(o, k.addr, 5, 1000)
	add(o, k.addr, 1, 10)
	add(o, broadcast, 1, 10)
	begun := time.Now()
	o.Flush() // ends
	if waited := time.Since(begun); waited < maxWait || calls < 2 {
		t.Errorf("given up after %v and %d calls", waited, calls)
	}
	calls = 0
	frame(o, k.addr, 5, 1000)
	o.Flush()
	if got := p.Stats(); got != (Stats{0, 0, 12, true}) || calls != 1 {
		t.Errorf("%+v in %d more calls", got, calls)
	}
	full = false
	want := frame(o, k.addr, 5, 1000)
	o.Flush()
	expectAll(t, k, want...)
	full, calls = true, 0
	add(o, k.addr, 1, 10)
	o.Flush()
	if calls < 2 {
		t.Error("it was not waited for after something had been taken")
	}
	if got := p.Stats(); got != (Stats{1, 5, 13, true}) {
		t.Errorf("%+v", got)
	}
}

// A way that fills up while a run goes packet by packet loses the rest of it, and what comes after.
func TestWayFillsUpAmongSingles(t *testing.T) {
	p := open(t, ":0", 1)
	o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	calls := 0
	o.sendmmsg = func(fd uintptr, m []unix.Mmsghdr) (int, syscall.Errno) {
		switch calls++; calls {
		case 1:
			return -1, unix.EIO
		case 2:
			return sendmmsg(fd, m[:2])
		}
		return -1, unix.EAGAIN
	}
	want := frame(o, k.addr, 5, 1000)
	frame(o, k.addr, 2, 1200)
	o.Flush()
	expectAll(t, k, want[:2]...)
	if got := p.Stats(); got != (Stats{2, 2, 5, true}) {
		t.Errorf("%+v", got)
	}
}

// One packet that is refused among those of a run that goes packet by packet is lost alone.
func TestOneOfTheSinglesIsRefused(t *testing.T) {
	onOneCPU(t)
	p := open(t, ":0", 1)
	o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	answers(o, fails(unix.EIO), func(fd uintptr, m []unix.Mmsghdr) (int, syscall.Errno) { return sendmmsg(fd, m[:2]) }, fails(unix.EPERM))
	want := frame(o, k.addr, 5, 1000)
	o.Flush()
	expectAll(t, k, want[0], want[1], want[3], want[4])
	if got := p.Stats(); got != (Stats{4, 4, 1, true}) {
		t.Errorf("%+v", got)
	}
}

// EMSGSIZE for a message is a narrow path since Linux 6.14, however often it comes.
func TestNarrowPathAlone(t *testing.T) {
	onOneCPU(t)
	p := open(t, ":0", 1)
	o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	o.sendmmsg = func(fd uintptr, m []unix.Mmsghdr) (int, syscall.Errno) {
		if m[0].Hdr.Controllen > 0 {
			return -1, unix.EMSGSIZE
		}
		return sendmmsg(fd, m)
	}
	for range 2 * maxRefusals {
		want := frame(o, k.addr, 2, 1000)
		o.Flush()
		expectAll(t, k, want...)
	}
	if got := p.Stats(); got != (Stats{4 * maxRefusals, 4 * maxRefusals, 0, true}) {
		t.Errorf("%+v", got)
	}
}

func TestKernelThatAnswersNothingIsLeft(t *testing.T) {
	p := open(t, ":0", 1)
	o, k := p.Sockets()[0].NewOutlet(), newSink(t, "udp4", "127.0.0.1")
	none := func(uintptr, []unix.Mmsghdr) (int, syscall.Errno) { return 0, 0 }
	answers(o, none, fails(unix.EIO), none)
	frame(o, k.addr, 3, 1000)
	o.Flush()
	frame(o, k.addr, 3, 1000)
	o.Flush()
	k.nothingMore(t)
	if got := p.Stats(); got != (Stats{0, 0, 6, true}) {
		t.Errorf("%+v", got)
	}
}

func TestCloseDuringFlush(t *testing.T) {
	for range 20 {
		p := open(t, "127.0.0.1:0", 2)
		k := newSink(t, "udp4", "127.0.0.1")
		var group sync.WaitGroup
		running := make(chan struct{}, 4)
		for i := range 4 { // two outlets to a socket
			s := p.Sockets()[i%2]
			group.Go(func() {
				o := s.NewOutlet()
				for begun := false; s.failed.Load() == 0; {
					frame(o, k.addr, 5, 1200)
					o.Flush()
					if !begun {
						begun = true
						running <- struct{}{}
					}
				}
				o.Flush()
			})
		}
		for range 4 {
			<-running
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		group.Wait()
		got := p.Stats()
		o := p.Sockets()[0].NewOutlet()
		frame(o, k.addr, 5, 1200)
		o.Flush()
		if now := p.Stats(); now.Failed != got.Failed+5 || now.Packets != got.Packets || got.Failed%5 != 0 {
			t.Errorf("%+v, then %+v", got, now)
		}
	}
}
