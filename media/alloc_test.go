//go:build !race

package media

import (
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtcp"
)

// The race detector allocates on its own, so these run in the pass without it.

// settle turns until everybody follows live.
func settle(t testing.TB, r *Relay) {
	t.Helper()
	for _, w := range r.workers {
		for n := 0; n == 0 || len(w.behind) > 0 || len(w.stirred) > 0; n++ {
			if n > 1000 {
				t.Fatalf("%d viewers do not get to live", len(w.behind))
			}
			w.turn(r.now())
		}
	}
}

// newCrowd is a camera with sound and its viewers, all of them live.
func newCrowd(t testing.TB, workers, viewers int) (*Relay, *camera, *camera, []*Subscriber) {
	t.Helper()
	r := newRelay(t, Config{Workers: workers, MaxBitrate: 1 << 50}) // no time passes between frames
	c := newCamera(t, r, "acc_1", VP8)
	mic, err := c.pub.AddLayer(Opus)
	if err != nil {
		t.Fatal(err)
	}
	sound := &camera{t: t, layer: mic, asked: c.asked, pub: c.pub}
	c.layer.Report(&rtcp.SenderReport{NTPTime: 1 << 32, RTPTime: c.ts})
	mic.Report(&rtcp.SenderReport{NTPTime: 1 << 32, RTPTime: sound.ts})
	c.send(3, true)
	sound.send(1, false)
	var all []*Subscriber
	for range viewers {
		all = append(all, joinTo(t, r, "gst", discard{}, nil))
	}
	settle(t, r)
	return r, c, sound, all
}

// rounds are frames made beforehand, as making them allocates.
func rounds(c *camera, n, packets int) func() {
	frames := make([][][]byte, 0, n)
	for range n {
		frames = append(frames, c.shoot(packets, false))
	}
	return func() {
		c.write(frames[0]...)
		frames = frames[1:]
	}
}

func TestFanOutAllocsNothing(t *testing.T) {
	r, c, sound, viewers := newCrowd(t, 3, 60)
	const n = 200
	see, hear := rounds(c, n+20, 5), rounds(sound, n+20, 1)
	next := func() {
		see()
		hear()
		for _, v := range viewers {
			v.nextReport = 0 // a report with each frame
		}
		for _, w := range r.workers {
			w.turn(r.now())
		}
	}
	for range 10 {
		next()
	}
	// Receiving takes its memory in blocks, of which 1,200 packets need a few; 60 viewers add nothing.
	if n := testing.AllocsPerRun(n, next); n > 0 {
		t.Fatalf("%v allocations for a frame to 60 viewers", n)
	}
}

func TestRetransmissionAllocsNothing(t *testing.T) {
	for name, types := range map[string]map[Codec]uint8{"as it was": nil, "on a stream of its own": repairTypes} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, Config{Workers: 1})
			c := newCamera(t, r, "acc_1", VP8)
			c.send(3, true)
			v, err := r.Subscribe(show, watchGrant("gst"), everyCodec, func(error) {})
			if err != nil {
				t.Fatal(err)
			}
			b := binding
			b.Video.RepairSSRC, b.Video.RepairTypes = 3, types
			v.Start(discard{}, b)
			settle(t, r)
			first := uint16(v.tracks[Video].cuts.current().out)
			ask := []rtcp.Packet{&rtcp.TransportLayerNack{MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: first, LostPackets: 3}}}}
			w := r.workers[0]
			again := func() {
				v.Feedback(ask)
				w.turn(r.now())
			}
			again()
			again()
			if n := testing.AllocsPerRun(20, again); n > 0 {
				t.Fatalf("%v allocations to send three packets again", n)
			}
		})
	}
}

// Mailboxes grow to what comes in between two turns, and are then used again.
func TestMailboxesAllocNothing(t *testing.T) {
	r, _, _, viewers := newCrowd(t, 3, 300)
	asks := []rtcp.Packet{
		&rtcp.TransportLayerNack{MediaSSRC: 2, Nacks: []rtcp.NackPair{{PacketID: 1}, {PacketID: 100, LostPackets: 7}}},
		&rtcp.PictureLossIndication{MediaSSRC: 2},
		&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 2}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6},
	}
	now := r.now() + time.Hour // past the time in which the first picture is sent again
	all := func() {
		for _, v := range viewers {
			v.Feedback(asks)
		}
		for _, w := range r.workers {
			for len(w.feedback) > 0 || w.replied < len(w.spare.feedback) {
				w.turn(now)
			}
		}
	}
	all()
	all()
	if n := testing.AllocsPerRun(20, all); n > 0 {
		t.Fatalf("%v allocations for the feedback of 300 viewers", n)
	}
}

// What a settled viewer costs here, its table of cuts included, which has grown to what a joiner needs.
func TestViewerAllocIsSmall(t *testing.T) {
	const most = 900
	_, _, _, viewers := newCrowd(t, 1, 1)
	size := unsafe.Sizeof(Subscriber{})
	for k := range viewers[0].tracks {
		size += uintptr(cap(viewers[0].tracks[k].cuts.past)) * unsafe.Sizeof(cut{})
	}
	t.Logf("%d bytes per viewer", size)
	if size > most {
		t.Errorf("%d bytes per viewer, at most %d", size, most)
	}
}

func BenchmarkFanOut(b *testing.B) {
	const viewers = 400
	r, c, _, _ := newCrowd(b, 1, viewers)
	w := r.workers[0]
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		frame := c.shoot(5, false)
		b.StartTimer()
		c.write(frame...)
		w.turn(r.now())
	}
	if len(c.ended) > 0 {
		b.Fatal("the publisher was ended: nothing was sent")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers*5), "ns/packet")
}
