package media

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// slow takes its time for each run, as a machine that is full does.
type slow struct {
	discard
	takes atomic.Int64
}

func (s *slow) Send(worker int, run []Outgoing) int {
	time.Sleep(time.Duration(s.takes.Load()))
	return len(run)
}

func checkLateness(t *testing.T, r *Relay, when string, want time.Duration) {
	t.Helper()
	if got := r.Lateness(); got < want-want/100 || got > want+want/100+100 {
		t.Errorf("%s: %v late, want %v", when, got, want)
	}
}

func TestLatenessIsThatOfTheWorstWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		r := newRelay(t, Config{Workers: 3, Registerer: reg})
		run(t, r)
		c := newCamera(t, r, "acc_1", VP8)
		shootFor(c, 2*time.Second, true)
		checkLateness(t, r, "nobody watches", 0)
		full := &slow{}
		joinTo(t, r, "gst_1", discard{}, nil)
		joinTo(t, r, "gst_2", full, nil)
		shootFor(c, 3*time.Second, true) // both follow live
		checkLateness(t, r, "nobody is slow", 0)

		full.takes.Store(int64(80 * time.Millisecond))
		c.send(1, false)
		time.Sleep(30 * time.Millisecond)
		checkLateness(t, r, "while the turn hangs", 30*time.Millisecond)
		c.send(1, false) // its worker takes it up at 80 ms, the other at once
		time.Sleep(130*time.Millisecond + 1)
		checkLateness(t, r, "after a turn of 80 ms that began 50 ms too late", 130*time.Millisecond)

		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		told := 0.0
		for _, f := range families {
			if f.GetName() == "rialto_media_lateness_seconds" {
				told = f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		if told < 0.129 || told > 0.131 {
			t.Errorf("the gauge says %v", told)
		}

		full.takes.Store(0)
		time.Sleep(latenessFades / 2)
		checkLateness(t, r, "after half the time", 65*time.Millisecond)
		c.send(1, false) // a good turn does not hide the bad one
		synctest.Wait()
		checkLateness(t, r, "after a good turn", 65*time.Millisecond)
		time.Sleep(latenessFades / 2)
		checkLateness(t, r, "when it is forgotten", 0)
	})
}

func TestLatenessGrowsWhileNoTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t, Config{Workers: 1})
		c := newCamera(t, r, "acc_1", VP8)
		c.send(1, true)
		joinTo(t, r, "gst_1", discard{}, nil)
		c.send(1, false)
		time.Sleep(time.Hour)
		c.send(1, false)
		checkLateness(t, r, "an hour without a turn", time.Hour)
		r.workers[0].turn(r.now())
		checkLateness(t, r, "after the turn", time.Hour)
		time.Sleep(latenessFades)
		checkLateness(t, r, "later", 0)
	})
}
