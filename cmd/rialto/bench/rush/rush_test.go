package rush

import (
	"strings"
	"testing"
	"time"
)

func TestWhatRedisBenchmarkSays(t *testing.T) {
	const head = `"test","rps","avg_latency_ms"` + "\n"
	if speed, err := setSpeed(head + `"SET","84890.12","0.3"` + "\n"); err != nil || speed != 84890.12 {
		t.Errorf("%v, %v", speed, err)
	}
	for name, text := range map[string]string{
		"nothing": "", "no SET": head + `"GET","1","2"` + "\n", "no number": head + `"SET","fast","0"` + "\n", "no table": `"SET`,
	} {
		if speed, err := setSpeed(text); err == nil {
			t.Errorf("%s: %v", name, speed)
		}
	}
}

// Ratios are those of one round, and the middle round is told: a machine that is busy for a while moves both.
func TestTheMiddleRoundIsTold(t *testing.T) {
	one := func(set, holds float64, ms int) round {
		return round{set: set, forUpdate: 1000, holds: tapped{won: holds, yours: []time.Duration{time.Duration(ms) * time.Millisecond}, batches: []int{ms}}}
	}
	r := Options{Rounds: 3}.result([]round{one(100, 80, 5), one(50, 45, 9), one(100, 60, 7)})
	if r.Set != 100 || r.Holds != 60 || r.HoldsOverSet != 0.8 || r.Yours.P50 != 7 || r.Batch.P99 != 7 || r.Wrong != 0 {
		t.Errorf("%+v", r)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	good := Options{Buyers: 1, Losers: MaxBuyers, Seconds: MaxSeconds, Rounds: MaxRounds, Only: "holds,set"}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	bad := Options{Losers: MaxBuyers + 1, Seconds: MaxSeconds + 1, Rounds: -1, Only: "nothing"}
	err := bad.Validate()
	if err == nil {
		t.Fatal("it is taken")
	}
	for _, word := range []string{"--buyers", "--losers", "--seconds", "--rounds", "nothing"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not name %s", err, word)
		}
	}
}
