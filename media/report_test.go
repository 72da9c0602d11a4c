package media

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

func TestNTPTime(t *testing.T) {
	// RFC 5905 figure 4: 1970-01-01 is second 2,208,988,800 of the first era.
	if got := ntpTime(time.Unix(0, 500_000_000)); got != 2_208_988_800<<32|1<<31 {
		t.Errorf("1970, half a second: %x", got)
	}
}

// Whatever the publisher's clock says and however long its reports take, a viewer reads from the relay's when a picture
// was taken: by the server's clock, never too early, and too late by no more than the shortest way and what both clocks
// drift apart in the time a way is remembered.
func TestReportsSayTheServersClock(t *testing.T) {
	const (
		drift = 200e-6
		every = time.Second
		least = 20 * time.Millisecond
		most  = 400 * time.Millisecond
	)
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var l lead
		skew := time.Duration(rnd.Int64N(int64(200*time.Hour))) - 100*time.Hour
		server := time.Unix(1_800_000_000, 0)
		shortest := most
		for n := range 300 {
			if n == 150 { // the publisher's clock is set
				skew += time.Duration(rnd.IntN(2)*2-1) * time.Hour
			}
			sent := time.Duration(n) * every
			way := least + time.Duration(rnd.Int64N(int64(most-least)))
			own := ntpTime(server.Add(sent + skew + time.Duration(float64(sent)*drift)))
			l.hear(own, ntpTime(server.Add(sent+way)), sent+way)
			if shortest = min(shortest, way); n == 150 {
				shortest = way
			}
			wrong := time.Duration(float64(int64(own+l.now.Load()-ntpTime(server.Add(sent)))) / (1 << 32) * float64(time.Second))
			slack := time.Duration(float64(2*leadWindow+2*every)*drift) + time.Microsecond
			if wrong < shortest-slack || wrong > way+slack {
				t.Fatalf("seed %d, report %d, way %v, shortest %v: wrong by %v", seed, n, way, shortest, wrong)
			}
		}
	}
}

func TestLeadForgets(t *testing.T) {
	at := func(d time.Duration) uint64 { return ntpTime(time.Unix(1_800_000_000, 0).Add(d)) }
	var l lead
	for _, c := range []struct{ sent, way, want time.Duration }{
		{0, 300 * time.Millisecond, 300 * time.Millisecond},
		{time.Second, 100 * time.Millisecond, 100 * time.Millisecond},
		{2 * time.Second, 200 * time.Millisecond, 100 * time.Millisecond},
		{leadWindow + 2*time.Second, 200 * time.Millisecond, 100 * time.Millisecond},   // a new window, and the one before
		{2*leadWindow + 3*time.Second, 250 * time.Millisecond, 200 * time.Millisecond}, // the first is forgotten
		{2*leadWindow + 4*time.Second, 1200 * time.Millisecond, 200 * time.Millisecond},
		{2*leadWindow + 5*time.Second, 1201 * time.Millisecond, 1201 * time.Millisecond}, // no way is as much longer: a clock was set
	} {
		l.hear(at(c.sent), at(c.sent+c.way), c.sent+c.way)
		if got := time.Duration(float64(l.now.Load()) / (1 << 32) * float64(time.Second)).Round(time.Millisecond); got != c.want {
			t.Errorf("after %v: ahead by %v, want %v", c.sent, got, c.want)
		}
	}
}

// Another camera takes the show over, with a clock of its own: the viewer's goes on.
func TestReportsThroughATakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c, _, s := newShow(t, Config{})
		play := func(c *camera, ntp uint64) {
			c.layer.Report(&rtcp.SenderReport{NTPTime: ntp, RTPTime: c.ts})
			for n := range 150 {
				c.send(3, n == 0)
				time.Sleep(20 * time.Millisecond)
				synctest.Wait()
			}
		}
		start := time.Now()
		play(c, 1<<32)
		play(newCamera(t, r, "acc_1", VP8), 3_000_000_000<<32)
		last := s.reports[0]
		for _, sr := range s.reports[1:] {
			if passed := sr.NTPTime - last.NTPTime; passed > 2<<32 {
				t.Fatalf("the clock went from %x to %x", last.NTPTime, sr.NTPTime)
			}
			last = sr
		}
		if behind := ntpTime(time.Now()) - last.NTPTime; behind > 2<<32 || last.NTPTime < ntpTime(start.Add(4*time.Second)) {
			t.Fatalf("the last report says %x, it is %x", last.NTPTime, ntpTime(time.Now()))
		}
	})
}
