package egress

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	benchViewers = 400
	benchFrame   = 5
	benchVideo   = 1216 // bytes of a packet, sealed
	benchAudio   = 136
	benchHeader  = 12
)

// BenchmarkOutlet sends to 400 clients on loopback, what it sends sealed with AES-128-GCM, and prints what a packet costs in
// processor time of the sending thread (us/packet) and in multiples of the floor: sealing, and one sendmsg(2) for each
// frame of five packets of 1,216 bytes, without this package. Each turn is followed by one of the floor; medians of turns
// are compared. Receiving is done between the turns, and not counted.
func BenchmarkOutlet(b *testing.B) {
	for _, most := range []int{1, 16, 32, 64} {
		b.Run(fmt.Sprintf("frames/batch=%d", most), func(b *testing.B) { benchmark(b, most, benchFrame, benchVideo, true) })
	}
	b.Run("frames/nogso/batch=1", func(b *testing.B) { benchmark(b, 1, benchFrame, benchVideo, false) })
	b.Run("frames/nogso/batch=32", func(b *testing.B) { benchmark(b, 32, benchFrame, benchVideo, false) })
	b.Run("audio/write", func(b *testing.B) { benchmark(b, 0, 1, benchAudio, true) })
	for _, most := range []int{1, 16, 32, 64} {
		b.Run(fmt.Sprintf("audio/batch=%d", most), func(b *testing.B) { benchmark(b, most, 1, benchAudio, true) })
	}
}

func benchmark(b *testing.B, most, packets, size int, gso bool) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := open(b, "127.0.0.1:0", 1).Sockets()[0]
	s.gso = s.gso && gso
	seal := newBenchSeal(b)
	sinks := make([]*sink, benchViewers)
	for i := range sinks {
		sinks[i] = newSink(b, "udp4", "127.0.0.1")
	}
	turn := func() { // one packet a system call, for audio
		for _, k := range sinks {
			seal.out = seal.packet(seal.out[:0], size)
			_, _ = s.WriteToAddrPort(seal.out, k.addr)
		}
	}
	if most > 0 {
		o := newOutlet(s, most)
		turn = func() {
			for _, k := range sinks {
				for range packets {
					o.Add(k.addr, len(seal.packet(o.Room(size), size)))
				}
			}
			o.Flush()
		}
	}
	var costs, floors []time.Duration
	for b.Loop() {
		begun := threadTime(b)
		turn()
		costs = append(costs, threadTime(b)-begun)
		drain(b, sinks, packets, size)
		begun = threadTime(b)
		for _, k := range sinks {
			seal.sendFrame(b, s.conn, k.addr)
		}
		floors = append(floors, threadTime(b)-begun)
		drain(b, sinks, benchFrame, benchVideo)
	}
	slices.Sort(costs)
	slices.Sort(floors)
	micros := func(all []time.Duration, packets int) float64 {
		return float64(all[len(all)/2]) / float64(time.Microsecond) / float64(packets*benchViewers)
	}
	cost, floor := micros(costs, packets), micros(floors, benchFrame)
	b.ReportMetric(0, "ns/op") // of both and of receiving: it says nothing
	b.ReportMetric(cost, "us/packet")
	b.ReportMetric(floor, "floor-us/packet")
	b.ReportMetric(cost/floor, "x-floor")
}

// drain reads what a turn has sent, and nothing is lost on loopback while buffers have room.
func drain(b *testing.B, sinks []*sink, packets, size int) {
	for _, k := range sinks {
		_ = k.conn.SetReadDeadline(time.Now().Add(patience))
		for range packets {
			if n, _, err := k.conn.ReadFromUDPAddrPort(k.buf); n != size || err != nil {
				b.Fatal(n, err)
			}
		}
	}
}

// threadTime is the processor time of this thread: others on the machine do not count.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// benchSeal seals packets with one key, and sends frames in the way of the floor.
type benchSeal struct {
	aead    cipher.AEAD
	nonce   [12]byte
	count   uint64
	plain   []byte
	out     []byte
	control []byte
}

func newBenchSeal(b *testing.B) *benchSeal {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	s := &benchSeal{aead: gcm, plain: make([]byte, benchVideo), out: make([]byte, 0, benchFrame*benchVideo)}
	s.control = make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&s.control[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(s.control[unix.CmsgLen(0):], benchVideo)
	return s
}

// packet appends a packet of so many bytes, the tag included.
func (s *benchSeal) packet(out []byte, size int) []byte {
	s.count++
	binary.BigEndian.PutUint64(s.nonce[4:], s.count)
	out = append(out, s.plain[:benchHeader]...)
	return s.aead.Seal(out, s.nonce[:], s.plain[benchHeader:size-s.aead.Overhead()], s.plain[:benchHeader])
}

func (s *benchSeal) sendFrame(b *testing.B, conn *net.UDPConn, to netip.AddrPort) {
	s.out = s.out[:0]
	for range benchFrame {
		s.out = s.packet(s.out, benchVideo)
	}
	if _, _, err := conn.WriteMsgUDPAddrPort(s.out, s.control, to); err != nil {
		b.Fatal(err)
	}
}
