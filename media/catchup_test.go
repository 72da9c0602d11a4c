package media

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

// order notes who is sent how much, in the order in which it happens.
type order struct {
	who  []string
	sent map[string]int
}

func (o *order) total() (n int) {
	for _, sent := range o.sent {
		n += sent
	}
	return n
}

type named struct {
	name string
	all  *order
}

func (n named) Send(_ int, run []Outgoing) int {
	n.all.who = append(n.all.who, n.name)
	n.all.sent[n.name] += len(run)
	return len(run)
}

func (named) SendReports(int, []rtcp.Packet) {}

// A keyframe of 200 packets came in at once; joiners are served on a clock that the test moves.
func TestATurnDoesOnlySoMuchForJoiners(t *testing.T) {
	const key = 200
	few := (catchUpPackets + catchUpBurst - 1) / catchUpBurst // as many as one turn reaches
	for _, c := range []struct {
		name   string
		age    time.Duration // of the keyframe
		joins  int
		turns  int // until each has got its first burst
		within time.Duration
	}{
		{"of a new keyframe, at the limit", squeezeAbove, few, 1, key / catchUpBurst * pumpEvery},
		{"of a new keyframe, one past the limit", squeezeAbove, few + 1, 2, key / catchUpBurst * pumpEvery},
		{"of an old keyframe, at the limit", time.Second, few, 1, key / catchUpBurst * pumpEvery},
		{"of an old keyframe, one past the limit", time.Second, few + 1, 2, key / catchUpBurst * pumpEvery},
		{"a hundred", time.Second, 100, 8, key / catchUpBurst * pumpEvery},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelay(t, Config{Workers: 1})
				w, log := r.workers[0], &order{sent: map[string]int{}}
				flushes := 0
				r.OnFlush(func(int) { flushes++; log.who = append(log.who, "flush") })
				cam := newCamera(t, r, "acc_1", VP8)
				cam.send(key, true)
				joinTo(t, r, "gst_live", named{"live", log}, nil)
				for w.turn(r.now()); len(w.behind) > 0; w.turn(r.now()) {
					time.Sleep(pumpEvery)
				}
				time.Sleep(c.age - r.now())
				for i := range c.joins {
					joinTo(t, r, "gst", named{fmt.Sprint(i), log}, nil)
				}
				cam.send(5, false)
				for turn := range c.turns {
					log.who = nil
					before := log.total()
					w.turn(r.now())
					if turn == 0 && (log.who[0] != "live" || log.who[1] != "flush") {
						t.Fatalf("who follows live is not served first: %v", log.who)
					}
					if n := log.total() - before; n > 5+catchUpPackets+catchUpBurst {
						t.Fatalf("%d packets in a turn", n)
					}
					if again := turn < c.turns-1; again != (w.again == 1) {
						t.Fatalf("after turn %d the next comes in %v", turn, w.again)
					}
				}
				for i := range c.joins {
					if n := log.sent[fmt.Sprint(i)]; n != catchUpBurst {
						t.Fatalf("joiner %d has got %d packets", i, n)
					}
				}
				w.turn(r.now())
				if n := log.sent["0"]; n != catchUpBurst || w.again != pumpEvery {
					t.Fatalf("%d packets before %v have passed; next in %v", n, pumpEvery, w.again)
				}
				for start := r.now(); log.sent[fmt.Sprint(c.joins-1)] < key; w.turn(r.now()) {
					if r.now()-start > c.within {
						t.Fatalf("no picture within %v", c.within)
					}
					time.Sleep(w.again)
				}
			})
		})
	}
}

// Each change of publisher has all viewers of a show change over at once: that is a crowd of joiners too.
func TestTakeoverOfACrowdIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{Workers: 2})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		c.send(3, true)
		var sinks []*sink
		for i := range 200 {
			_, s, _ := join(t, r, fmt.Sprint("gst_", i))
			sinks = append(sinks, s)
		}
		shootFor(c, 200*time.Millisecond, true)
		next := newCamera(t, r, "acc_1", H264)
		next.send(100, true)
		next.frame = 100
		shootFor(next, 500*time.Millisecond, true)
		want := int(next.frame - 1)
		for i, s := range sinks {
			got := s.all()
			checkContinuous(t, got)
			if number(got[len(got)-1]) != want {
				t.Fatalf("viewer %d is at frame %d, want %d", i, number(got[len(got)-1]), want)
			}
		}
		for _, w := range r.workers {
			if len(w.behind) != 0 {
				t.Errorf("%d viewers do not follow live", len(w.behind))
			}
		}
	})
}

// A viewer that plays no more than sound, and one that cannot play the codec on air, cost nothing while media goes on.
func TestWhoCannotSeeDoesNotWaitInLine(t *testing.T) {
	r := newRelay(t, Config{Workers: 1})
	c := newCamera(t, r, "acc_1", H264)
	mic, err := c.pub.AddLayer(Opus)
	if err != nil {
		t.Fatal(err)
	}
	sound := &camera{t: t, layer: mic, asked: c.asked, pub: c.pub}
	c.send(1, true)
	sound.send(1, false)
	for _, video := range []Line{{}, {SSRC: 2, PayloadTypes: map[Codec]uint8{VP8: 96}}} {
		v, err := r.Subscribe(show, watchGrant("gst"), []Codec{Opus, H264}, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		v.Start(discard{}, Binding{Audio: binding.Audio, Video: video})
	}
	w := r.workers[0]
	for range 3 {
		c.send(2, false)
		sound.send(1, false)
		w.turn(r.now())
	}
	if len(w.behind) != 0 || w.again != 0 {
		t.Errorf("%d wait in line, next turn in %v", len(w.behind), w.again)
	}
	if n := dropped(t, r, dropCodec); n != 1 {
		t.Errorf("%d counted as unable to play it", n)
	}
}
