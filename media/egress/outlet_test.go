package egress

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestPacketsArriveAsTheyWereAdded(t *testing.T) {
	onOneCPU(t)
	for _, test := range []struct {
		name, addr string
		gso        bool
	}{
		{"both families", "[::]:0", true},
		{"both families, no GSO", "[::]:0", false},
		{"IPv4", "127.0.0.1:0", true},
		{"IPv4, no GSO", "127.0.0.1:0", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			onOneCPU(t)
			s := open(t, test.addr, 1).Sockets()[0]
			s.gso = s.gso && test.gso
			sinks := []*sink{newSink(t, "udp4", "127.0.0.1"), newSink(t, "udp4", "127.0.0.2")}
			to := []netip.AddrPort{sinks[0].addr, netip.AddrPortFrom(netip.AddrFrom16(sinks[1].addr.Addr().As16()), sinks[1].addr.Port())}
			if s.inet6 {
				sinks = append(sinks, newSink(t, "udp6", "::1"))
				to = append(to, sinks[2].addr)
			}
			rapid.Check(t, func(t *rapid.T) { arrive(t, s, sinks, to) })
		})
	}
}

// arrive adds packets of any sizes to any addresses, in runs and singly, and reads them all.
func arrive(t *rapid.T, s *Socket, sinks []*sink, to []netip.AddrPort) {
	o := newOutlet(s, rapid.IntRange(1, batch).Draw(t, "batch"))
	before := s.packets.Load()
	want := make([][][]byte, len(sinks))
	number := 0
	for range rapid.IntRange(1, 16).Draw(t, "runs") {
		i := rapid.IntRange(0, len(sinks)-1).Draw(t, "to")
		size := rapid.SampledFrom([]int{1, 2, 136, 1000, 1216, 1400, 9000}).Draw(t, "size")
		for range rapid.IntRange(1, 70_000/(size+1000)).Draw(t, "packets") {
			want[i] = append(want[i], add(o, to[i], number, size))
			number++
		}
		if size = rapid.IntRange(0, size+1).Draw(t, "last"); size > 0 {
			want[i] = append(want[i], add(o, to[i], number, size))
			number++
		}
		if rapid.IntRange(0, 9).Draw(t, "flush") == 0 {
			o.Flush()
		}
	}
	o.Flush()
	for i, k := range sinks {
		for _, packet := range want[i] {
			k.expect(t, packet)
		}
		k.nothingMore(t)
	}
	if sent := s.packets.Load() - before; sent != uint64(number) || s.failed.Load() != 0 {
		t.Fatalf("%d packets counted and %d failures for %d packets", sent, s.failed.Load(), number)
	}
}

func TestRunsThatLeaveInOneMessage(t *testing.T) {
	onOneCPU(t)
	sinks := []*sink{newSink(t, "udp4", "127.0.0.1"), newSink(t, "udp6", "::1")}
	many := func(n, size int) (sizes []int) {
		for range n {
			sizes = append(sizes, size)
		}
		return sizes
	}
	for _, test := range []struct {
		name     string
		sizes    []int
		messages uint64
	}{
		{"one", []int{1200}, 1},
		{"equal", many(5, 1200), 1},
		{"the last shorter", []int{1200, 1200, 300}, 1},
		{"one more after the shorter", []int{1200, 1200, 300, 300}, 2},
		{"a short one first", []int{30, 1200, 1200, 1200}, 2},
		{"longer and longer", []int{1, 2, 3}, 3},
		{"at the most segments", many(maxSegments, 100), 1},
		{"past the most segments", many(maxSegments+1, 100), 2},
		{"at the most bytes", append(many(6, 9400), maxMessage-6*9400), 1},
		{"past the most bytes", append(many(6, 9400), maxMessage-6*9400+1), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := open(t, ":0", 1)
			o := p.Sockets()[0].NewOutlet()
			for n, k := range sinks {
				var want [][]byte
				for i, size := range test.sizes {
					want = append(want, add(o, k.addr, i, size))
				}
				o.Flush()
				for _, packet := range want {
					k.expect(t, packet)
				}
				turns := uint64(n + 1)
				if got, want := p.Stats(), (Stats{turns * test.messages, turns * uint64(len(test.sizes)), 0, true}); got != want {
					t.Errorf("%v: %+v, want %+v", k.addr, got, want)
				}
			}
		})
	}
}

func TestAddressesTakeTurns(t *testing.T) {
	a, b := newSink(t, "udp4", "127.0.0.1"), newSink(t, "udp6", "::1")
	p := open(t, ":0", 1)
	o := p.Sockets()[0].NewOutlet()
	first, second, third := add(o, a.addr, 1, 500), add(o, b.addr, 2, 500), add(o, a.addr, 3, 500)
	o.Flush()
	a.expect(t, first)
	a.expect(t, third)
	b.expect(t, second)
	if got := p.Stats(); got.Messages != 3 {
		t.Errorf("%+v", got)
	}
}

func TestLinkLocalAddressHasItsInterface(t *testing.T) {
	p := open(t, ":0", 1)
	o := p.Sockets()[0].NewOutlet()
	// There may be no link but loopback, which has no such address of its own: what matters is the number in the header.
	add(o, netip.MustParseAddrPort("[fe80::1%lo]:9"), 1, 10)
	if got := o.names[0].Scope_id; got != 1 {
		t.Errorf("scope %d of lo", got)
	}
	add(o, netip.MustParseAddrPort("[fe80::1%none]:9"), 1, 10)
	add(o, netip.MustParseAddrPort("[::1]:9"), 1, 10)
	if a, b := o.names[1].Scope_id, o.names[2].Scope_id; a != 0 || b != 0 {
		t.Errorf("scopes %d and %d", a, b)
	}
}

func TestRoom(t *testing.T) {
	k := newSink(t, "udp4", "127.0.0.1")
	p := open(t, ":0", 1)
	o := p.Sockets()[0].NewOutlet()
	const n = 1024
	for i := range arenaSize / n {
		if b := o.Room(n); len(b) != 0 || cap(b) < n || p.Stats().Packets != 0 {
			t.Fatalf("packet %d: room of %d, %d long; %d sent", i, cap(b), len(b), p.Stats().Packets)
		}
		o.Add(k.addr, n)
	}
	o.Room(1)
	if got := p.Stats().Packets; got != arenaSize/n {
		t.Errorf("%d packets left by themselves, of %d", got, arenaSize/n)
	}
	if cap(o.Room(1<<16)) < 1<<16 {
		t.Error("no room for the longest packet")
	}
	defer func() {
		if recover() == nil {
			t.Error("room for more than there is")
		}
	}()
	o.Room(arenaSize + 1)
}

func TestFullCallLeavesByItself(t *testing.T) {
	onOneCPU(t)
	p := open(t, ":0", 1)
	o := p.Sockets()[0].NewOutlet()
	sinks := make([]*sink, batch+1)
	want := make([][]byte, len(sinks))
	for i := range sinks {
		sinks[i] = newSink(t, "udp4", "127.0.0.1")
		if got := p.Stats().Messages; got != 0 {
			t.Fatalf("%d messages sent before message %d", got, i)
		}
		want[i] = add(o, sinks[i].addr, i, 700)
	}
	if got := p.Stats().Messages; got != batch {
		t.Fatalf("%d messages left when one more came, not %d", got, batch)
	}
	o.Flush()
	o.Flush() // nothing is left
	for i, k := range sinks {
		k.expect(t, want[i])
		k.nothingMore(t)
	}
}

func TestPacketsOfNoLengthAreNone(t *testing.T) {
	k := newSink(t, "udp4", "127.0.0.1")
	p := open(t, ":0", 1)
	o := p.Sockets()[0].NewOutlet()
	o.Room(10)
	o.Add(k.addr, 0)
	o.Add(k.addr, -1)
	o.Flush()
	k.nothingMore(t)
	if got, want := p.Stats(), (Stats{GSO: true}); got != want {
		t.Errorf("%+v", got)
	}
}

func TestAddressesThatCannotBeSentTo(t *testing.T) {
	for _, test := range []struct{ listen, to string }{
		{":0", "127.0.0.1:0"}, {":0", "0.0.0.0:9"}, {":0", "[::]:9"}, {":0", "[::ffff:0.0.0.0]:9"}, {"127.0.0.1:0", "[::1]:9"}, {":0", ""},
	} {
		t.Run(fmt.Sprint(test.listen, " to ", test.to), func(t *testing.T) {
			k := newSink(t, "udp4", "127.0.0.1")
			p := open(t, test.listen, 1)
			o := p.Sockets()[0].NewOutlet()
			to, _ := netip.ParseAddrPort(test.to)
			first := add(o, k.addr, 1, 100)
			add(o, to, 2, 100)
			last := add(o, k.addr, 3, 100)
			o.Flush()
			k.expect(t, first)
			k.expect(t, last)
			k.nothingMore(t)
			if got, want := p.Stats(), (Stats{1, 2, 1, true}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}
