package main

import (
	"encoding/json"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/bench/rush"
)

// The bench of stock runs to its end on real stores, and what buyers were told is what Postgres has. How fast is not asked
// here.
func TestBenchStock(t *testing.T) {
	p := finish(t, 0, nil, program(t), "bench", "stock", "--buyers", "20", "--losers", "20", "--seconds", "1", "--rounds", "1", "--json")
	var r rush.Result
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatalf("it is no JSON object: %v", err)
	}
	for name, v := range map[string]float64{
		"SET": r.Set, "FOR UPDATE": r.ForUpdate, "holds": r.Holds, "taps": r.Taps, "holds over FOR UPDATE": r.HoldsOverForUpdate,
		"stepwise": r.Stepwise, "purchases": r.Purchases, "purchases over the sandbox": r.SandboxPurchases, "purchases over stepwise": r.PurchasesOverStepwise,
		"tap to confirmed": r.Paid.P50, "holds over SET": r.HoldsOverSet, "taps over SET": r.TapsOverSet, "tap to yours": r.Yours.P50, "batch": r.Batch.P50,
		"holds over HTTP": r.HTTPHolds, "taps over HTTP": r.HTTPTaps, "holds over sockets": r.SocketHolds, "taps over sockets": r.SocketTaps,
		"HTTP over SET": r.HTTPHoldsOverSet, "HTTP taps over SET": r.HTTPTapsOverSet, "sockets over SET": r.SocketHoldsOverSet, "socket taps over SET": r.SocketTapsOverSet,
	} {
		if v <= 0 {
			t.Errorf("%s is %v", name, v)
		}
	}
	if r.Buyers != 20 || r.Losers != 20 || r.Seconds != 1 || r.Rounds != 1 || r.Wrong != 0 || r.Yours.P50 > r.Yours.P99 || r.Batch.P99 > 20 {
		t.Errorf("%+v", r)
	}
	names(t, p.out.String(), "taps_per_s", "redis_set_per_s", "durable_holds_per_s", "for_update_per_s", "tap_to_yours_ms", "batch_size", "wrong",
		"stepwise_per_s", "purchases_per_s", "sandbox_purchases_per_s",
		"http_holds_per_s", "http_taps_per_s", "socket_holds_per_s", "socket_taps_per_s")
}
