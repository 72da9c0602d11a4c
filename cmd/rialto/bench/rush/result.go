package rush

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

// Percentiles of a time in milliseconds, or of a count.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Result is what `rialto bench stock --json` prints: one object. Speeds and ratios are the middle ones of the rounds.
type Result struct {
	Buyers  int `json:"buyers"`
	Losers  int `json:"losers"`
	Seconds int `json:"seconds"` // of each window
	Rounds  int `json:"rounds"`

	Taps      float64 `json:"taps_per_s"` // when nearly all lose
	Set       float64 `json:"redis_set_per_s"`
	Holds     float64 `json:"durable_holds_per_s"`
	ForUpdate float64 `json:"for_update_per_s"`
	Alone     float64 `json:"durable_holds_without_redis_per_s"` // as many as a node lets through to Postgres then

	// At the real program: Buyers connections that tap one after the other.
	HTTPHolds   float64 `json:"http_holds_per_s"`
	HTTPTaps    float64 `json:"http_taps_per_s"` // when nearly all lose
	SocketHolds float64 `json:"socket_holds_per_s"`
	SocketTaps  float64 `json:"socket_taps_per_s"`

	HTTPHoldsOverSet   float64 `json:"http_holds_over_redis_set"`
	HTTPTapsOverSet    float64 `json:"http_taps_over_redis_set"`
	SocketHoldsOverSet float64 `json:"socket_holds_over_redis_set"`
	SocketTapsOverSet  float64 `json:"socket_taps_over_redis_set"`

	HoldsOverForUpdate float64 `json:"durable_holds_over_for_update"`
	HoldsOverSet       float64 `json:"durable_holds_over_redis_set"`
	TapsOverSet        float64 `json:"taps_over_redis_set"`

	Stepwise         float64 `json:"stepwise_per_s"` // whole purchases, from the tap to the mark that the money is taken
	Purchases        float64 `json:"purchases_per_s"`
	SandboxPurchases float64 `json:"sandbox_purchases_per_s"`

	PurchasesOverStepwise float64     `json:"purchases_over_stepwise"`
	Paid                  Percentiles `json:"tap_to_confirmed_ms"` // over the stub

	Yours Percentiles `json:"tap_to_yours_ms"`
	Batch Percentiles `json:"batch_size"` // taps that Postgres is given at once
	Wrong int         `json:"wrong"`      // holds that buyers were told of and are not there, or the other way round
}

func (o Options) result(rounds []round) Result {
	r := Result{Buyers: o.Buyers, Losers: o.Losers, Seconds: o.Seconds, Rounds: o.Rounds}
	middle := func(of func(round) float64) float64 {
		all := make([]float64, len(rounds))
		for i, one := range rounds {
			all[i] = of(one)
		}
		slices.Sort(all)
		return tidy(all[len(all)/2])
	}
	r.Taps = middle(func(one round) float64 { return one.taps.lost + one.taps.won })
	r.Set = middle(func(one round) float64 { return one.set })
	r.Holds = middle(func(one round) float64 { return one.holds.won })
	r.ForUpdate = middle(func(one round) float64 { return one.forUpdate })
	r.Alone = middle(func(one round) float64 { return one.alone.won })
	r.HoldsOverForUpdate = middle(func(one round) float64 { return ratio(one.holds.won, one.forUpdate) })
	r.HoldsOverSet = middle(func(one round) float64 { return ratio(one.holds.won, one.set) })
	r.TapsOverSet = middle(func(one round) float64 { return ratio(one.taps.lost+one.taps.won, one.set) })
	r.Stepwise = middle(func(one round) float64 { return one.stepwise })
	r.Purchases = middle(func(one round) float64 { return one.purchases.captured })
	r.SandboxPurchases = middle(func(one round) float64 { return one.sandbox.captured })
	r.PurchasesOverStepwise = middle(func(one round) float64 { return ratio(one.purchases.captured, one.stepwise) })
	paid := func(p int) float64 {
		return middle(func(one round) float64 {
			return float64(load.Percentile(one.purchases.paid, p)) / float64(time.Millisecond)
		})
	}
	r.Paid.P50, r.Paid.P99 = paid(50), paid(99)
	wires(&r, middle)
	at := func(p int) (ms, size float64) {
		ms = middle(func(one round) float64 {
			return float64(load.Percentile(one.holds.yours, p)) / float64(time.Millisecond)
		})
		size = middle(func(one round) float64 {
			if len(one.holds.batches) == 0 {
				return 0
			}
			return float64(one.holds.batches[(len(one.holds.batches)-1)*p/100])
		})
		return ms, size
	}
	r.Yours.P50, r.Batch.P50 = at(50)
	r.Yours.P99, r.Batch.P99 = at(99)
	for _, one := range rounds {
		r.Wrong += one.holds.wrong + one.taps.wrong + one.alone.wrong + one.purchases.wrong + one.sandbox.wrong
		r.Wrong += one.httpHolds.wrong + one.httpTaps.wrong + one.socketHolds.wrong + one.socketTaps.wrong
	}
	return r
}

// wires adds what was measured at the real program.
func wires(r *Result, middle func(func(round) float64) float64) {
	for _, way := range []struct {
		of          func(round) tapped
		speed, over *float64
	}{
		{func(one round) tapped { return one.httpHolds }, &r.HTTPHolds, &r.HTTPHoldsOverSet},
		{func(one round) tapped { return one.httpTaps }, &r.HTTPTaps, &r.HTTPTapsOverSet},
		{func(one round) tapped { return one.socketHolds }, &r.SocketHolds, &r.SocketHoldsOverSet},
		{func(one round) tapped { return one.socketTaps }, &r.SocketTaps, &r.SocketTapsOverSet},
	} {
		speed := func(one round) float64 { t := way.of(one); return t.won + t.lost }
		*way.speed = middle(speed)
		*way.over = middle(func(one round) float64 { return ratio(speed(one), one.set) })
	}
}

func (r Result) print(out io.Writer) {
	fmt.Fprintf(out, "one hot variant, %d rounds of %d s; speeds a second\n\n", r.Rounds, r.Seconds)
	fmt.Fprintf(out, "  SET                 %9.0f   redis-benchmark, %d connections\n", r.Set, setClients)
	fmt.Fprintf(out, "  FOR UPDATE          %9.0f   reservations as many shops make them, %d connections\n", r.ForUpdate, lockClients)
	fmt.Fprintf(out, "  durable holds       %9.0f   %d buyers; %.1f x FOR UPDATE, %.2f x SET\n", r.Holds, r.Buyers, r.HoldsOverForUpdate, r.HoldsOverSet)
	fmt.Fprintf(out, "  taps that lose      %9.0f   %d buyers; %.2f x SET\n", r.Taps, r.Losers, r.TapsOverSet)
	fmt.Fprintf(out, "  without Redis       %9.0f   durable holds, %d buyers; the program lets no more through to Postgres\n", r.Alone, r.Buyers)
	fmt.Fprintf(out, "  holds over HTTP     %9.0f   %d connections to the program; %.2f x SET\n", r.HTTPHolds, r.Buyers, r.HTTPHoldsOverSet)
	fmt.Fprintf(out, "  taps over HTTP      %9.0f   nearly all lose; %.2f x SET\n", r.HTTPTaps, r.HTTPTapsOverSet)
	fmt.Fprintf(out, "  holds over sockets  %9.0f   %d WebSockets; %.2f x SET\n", r.SocketHolds, r.Buyers, r.SocketHoldsOverSet)
	fmt.Fprintf(out, "  taps over sockets   %9.0f   nearly all lose; %.2f x SET\n", r.SocketTaps, r.SocketTapsOverSet)
	fmt.Fprintf(out, "  tap to yours        %9.2f ms p99 %.2f\n", r.Yours.P50, r.Yours.P99)
	fmt.Fprintf(out, "  taps in a batch     %9.0f   p99 %.0f\n", r.Batch.P50, r.Batch.P99)
	fmt.Fprintf(out, "  stepwise purchases  %9.0f   the same rows by a transaction per step, %d connections\n", r.Stepwise, lockClients)
	fmt.Fprintf(out, "  whole purchases     %9.0f   %d buyers, hold to capture mark, the payment company a stub in this process; %.1f x stepwise\n",
		r.Purchases, r.Buyers, r.PurchasesOverStepwise)
	fmt.Fprintf(out, "  tap to confirmed    %9.2f ms p99 %.2f\n", r.Paid.P50, r.Paid.P99)
	fmt.Fprintf(out, "  over the sandbox    %9.0f   whole purchases, the payment company a process of its own on the same Postgres\n", r.SandboxPurchases)
	if r.Wrong != 0 {
		fmt.Fprintf(out, "\n%d holds or orders are wrong\n", r.Wrong)
	}
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// tidy keeps three decimals.
func tidy(v float64) float64 { return math.Round(v*1000) / 1000 }
