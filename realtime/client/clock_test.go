package client

import (
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestClockBelievesTheShortestWay(t *testing.T) {
	ms := func(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
	var v clockView
	ahead := func(at int64) (mid, wrong time.Duration) {
		lo, hi := v.bounds(ms(at))
		return lo + (hi-lo)/2, (hi - lo) / 2
	}
	v.add(ms(1000), 1700, 1701, ms(1201)) // 200 ms, lopsided
	v.add(ms(2000), 2510, 2510, ms(2020)) // 20 ms, 500 ahead
	v.add(ms(3000), 3900, 3900, ms(3400))
	v.add(ms(5000), 5000, 5000, ms(4000)) // set back: nonsense
	v.add(ms(5000), 5000, 5900, ms(5100)) // answered after it was heard
	if mid, wrong := ahead(3400); (mid-ms(500)).Abs() > wrong || wrong > ms(6) {
		t.Fatalf("ahead %v ± %v", mid, wrong)
	}
	// What contradicts all that was heard: a clock was set, and the newest is right.
	v.add(ms(6000), 6150, 6150, ms(6100))
	if mid, wrong := ahead(6100); (mid-ms(100)).Abs() > wrong || wrong > ms(51) {
		t.Fatalf("ahead %v ± %v, after the clock was set", mid, wrong)
	}
}

// network draws ways and clocks. All times are the truth's.
type network struct {
	t     *rapid.T
	drift int64         // of the device's clock, ppm
	born  time.Duration // of the truth when the device's own time began
	slept time.Duration // its own time stood still
}

const networkEpoch = int64(1_800_000_000_000)

func (n *network) own(now time.Duration) time.Duration {
	passed := now - n.born - n.slept
	return passed + time.Duration(int64(passed)*n.drift/1e6)
}

func (n *network) way(name string) time.Duration {
	return time.Duration(rapid.Int64Range(20_000, 400_000).Draw(n.t, name)) * time.Microsecond
}

// exchange asks at a moment, and returns when the answer was heard and how long both ways took.
func (n *network) exchange(v *clockView, at time.Duration) (heard, way time.Duration) {
	there, back := n.way("there"), n.way("back")
	stay := time.Duration(rapid.Int64Range(0, 30_000).Draw(n.t, "stay")) * time.Microsecond
	read, answered := at+there, at+there+stay
	heard = answered + back
	sent := n.own(at).Truncate(time.Millisecond)
	v.add(sent, networkEpoch+read.Milliseconds(), networkEpoch+answered.Milliseconds(), n.own(heard))
	return heard, there + back
}

func (n *network) server(v *clockView, at time.Duration) (wrong, uncertainty time.Duration) {
	own := n.own(at)
	lo, hi := v.bounds(own)
	return own + lo + (hi-lo)/2 - time.Duration(networkEpoch)*time.Millisecond - at, (hi-lo)/2 + time.Microsecond
}

// However lopsided the ways, however the clocks drift: the server's time is known within half of the best round trip, and
// within what is said. A page that has slept starts over.
func TestClockIsWithinWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &network{t: t, drift: rapid.Int64Range(-200, 200).Draw(t, "drift"), born: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "born"))}
		at, v := n.born, clockView{}
		best, since := time.Duration(1<<62), at
		for range rapid.IntRange(1, 12).Draw(t, "exchanges") {
			at += time.Duration(rapid.Int64Range(0, 600_000).Draw(t, "pause")) * time.Millisecond
			if rapid.IntRange(0, 9).Draw(t, "event") == 0 { // a nap
				nap := time.Duration(rapid.Int64Range(0, 3_600_000).Draw(t, "nap")) * time.Millisecond
				at, n.slept, v = at+nap, n.slept+nap, clockView{}
				best = 1 << 62
			}
			var way time.Duration
			if at, way = n.exchange(&v, at); way < best {
				best, since = way, at
			}
			for _, later := range []time.Duration{0, time.Second, time.Hour} {
				wrong, said := n.server(&v, at+later)
				if wrong.Abs() > said {
					t.Fatalf("wrong by %v, said at most %v", wrong, said)
				}
				if limit := best/2 + clockTick + (at+later-since)/clockDrift + time.Millisecond; wrong.Abs() > limit || said > limit+time.Duration(16)*time.Microsecond {
					t.Fatalf("wrong by %v, said %v: half of the best round trip is %v", wrong, said, best/2)
				}
			}
		}
	})
}

// Two who want the same unit see its release at the same moment, as well as their lines allow.
func TestTwoClocksAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const drop = 10 * time.Minute
		var wrong, said [2]time.Duration
		for i := range wrong {
			n := &network{t: t, drift: rapid.Int64Range(-200, 200).Draw(t, "drift")}
			var v clockView
			for at := time.Duration(0); at < drop-2*time.Second; at += 20 * time.Second {
				n.exchange(&v, at)
			}
			wrong[i], said[i] = n.server(&v, drop)
		}
		if apart, may := (wrong[0] - wrong[1]).Abs(), said[0]+said[1]; apart > may {
			t.Fatalf("%v apart, said at most %v", apart, may)
		}
	})
}

func TestClockSleepsAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		if _, _, ok := c.Now(); ok {
			t.Fatal("a clock without exchanges is sure")
		}
		exchange := func() {
			asked := c.asked(time.Now())
			time.Sleep(30 * time.Millisecond)
			server := time.Now().Add(time.Hour).UnixMilli()
			time.Sleep(10 * time.Millisecond)
			c.heard(asked, server, server, time.Now())
		}
		exchange()
		time.Sleep(time.Minute)
		now, wrong, ok := c.Now()
		if want := time.Now().Add(time.Hour); !ok || now.Sub(want).Abs() > wrong || wrong > 37*time.Millisecond {
			t.Fatalf("%v ± %v, want %v", now, wrong, want)
		}
		c.gap -= clockNap + 1 // as if our clocks had parted since
		if _, _, ok := c.Now(); ok {
			t.Fatal("sure after a nap")
		}
		exchange()
		if now, wrong, ok = c.Now(); !ok || now.Sub(time.Now().Add(time.Hour)).Abs() > wrong {
			t.Fatalf("%v ± %v after the nap", now, wrong)
		}
	})
}
