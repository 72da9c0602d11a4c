//go:build !race

package media

import (
	"testing"

	"github.com/pion/rtcp"
)

// The race detector allocates on its own, so these run in the pass without it.

func TestFanOutAllocsNothing(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(3, true)
	for range 50 {
		joinTo(t, r, "gst", discard{}, nil)
	}
	w := r.workers[0]
	const rounds = 200
	frames := make([][][]byte, 0, rounds+20)
	for range cap(frames) {
		frames = append(frames, c.shoot(5, false))
	}
	next := func() {
		c.write(frames[0]...)
		frames = frames[1:]
		w.turn(r.now())
	}
	for range 10 {
		next()
	}
	// Receiving takes its memory in blocks, of which 1,000 packets need a few; 50 viewers add nothing.
	if n := testing.AllocsPerRun(rounds, next); n > 0 {
		t.Fatalf("%v allocations for a frame to 50 viewers", n)
	}
}

func TestRetransmissionAllocsNothing(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", VP8)
	c.send(3, true)
	v := joinTo(t, r, "gst", discard{}, nil)
	w := r.workers[0]
	w.turn(r.now())
	first := uint16(v.tracks[Video].cuts.current().out)
	ask := []rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: first, LostPackets: 3}}}}
	again := func() {
		v.Feedback(ask)
		w.turn(r.now())
	}
	again()
	again()
	if n := testing.AllocsPerRun(20, again); n > 0 {
		t.Fatalf("%v allocations to send three packets again", n)
	}
}

func BenchmarkFanOut(b *testing.B) {
	r := newRelay(b, Config{Workers: 1})
	c := newCamera(b, r, "acc_1", VP8)
	c.send(3, true)
	const viewers = 100
	for range viewers {
		joinTo(b, r, "gst", discard{}, nil)
	}
	w := r.workers[0]
	w.turn(r.now())
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		frame := c.shoot(5, false)
		b.StartTimer()
		c.write(frame...)
		w.turn(r.now())
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers*5), "ns/packet")
}
