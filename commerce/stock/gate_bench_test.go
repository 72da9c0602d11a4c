package stock

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
)

// BenchmarkGate is what a tap costs in Redis itself, in a call of so many, by the server's own count of time: without the
// way there and back. "x_set" is that over what one SET costs there.
func BenchmarkGate(b *testing.B) {
	server := embeddedtest.NewRedisServer(b)
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		b.Fatal(err)
	}
	client := redis.NewClient(options)
	b.Cleanup(func() { _ = client.Close() })
	for _, kind := range []struct {
		name  string
		units int
		brief bool // asked by what is wished: roster.go
	}{{"win", MaxOnHand, false}, {"lose", 0, false}, {"lose briefly", 0, true}} {
		for _, taps := range []int{1, 32, MaxBatch} {
			b.Run(fmt.Sprint(kind.name, " ", taps), func(b *testing.B) { benchGate(b, client, kind.units, taps, kind.brief) })
		}
	}
}

func benchGate(b *testing.B, client *redis.Client, units, taps int, brief bool) {
	g, pool := gate{redis: client}, commerce.NewID[commerce.PoolID]()
	load := func(epoch int64) {
		if err := g.load(b.Context(), pool, copyOf{epoch: epoch, free: units, version: 1, timed: timedCopy{free: -1}}); err != nil {
			b.Fatal(err)
		}
	}
	load(1)
	if err := client.ConfigResetStat(b.Context()).Err(); err != nil {
		b.Fatal(err)
	}
	var settled []tag
	calls, epoch := 0, int64(1)
	for b.Loop() {
		call := gateCall{epoch: epoch, tag: newTag(), settled: settled}
		for range taps {
			tap := Tap{ID: commerce.NewID[commerce.HoldID](), Pool: pool, Buyer: commerce.NewID[commerce.GuestID]().String(), Quantity: 1, Offer: 1}
			call.asks = append(call.asks, newAsk(tap))
		}
		if brief {
			call.brief = taps
		}
		if got, err := g.call(b.Context(), pool, call); err != nil || got.letters[0] == letterInFull {
			b.Fatal(got.letters, err)
		}
		client.Set(b.Context(), "floor", "x", 0)
		settled = []tag{call.tag}
		if calls++; units > 0 && calls%(units/taps) == 0 { // sold out
			epoch++
			load(epoch)
		}
	}
	tap, set := serverTime(b, client, "evalsha")/float64(taps), serverTime(b, client, "set")
	b.ReportMetric(tap, "µs/tap")
	b.ReportMetric(tap/set, "x_set")
}

// serverTime is what a call of a command takes the server, in µs.
func serverTime(b *testing.B, client *redis.Client, command string) (each float64) {
	stats, err := client.InfoMap(context.WithoutCancel(b.Context()), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	var calls, all int
	line := stats["Commandstats"]["cmdstat_"+command]
	if _, err := fmt.Sscanf(line, "calls=%d,usec=%d,usec_per_call=%f", &calls, &all, &each); err != nil {
		b.Fatalf("%s: %q: %v", command, line, err)
	}
	return each
}
