package main

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// heapFloor is how large the heap of a node may grow, garbage and all, before
	// the collector comes, however little of it is in use. In a rush hardly anything
	// stays and a hundred megabytes a second do not: the collector, which comes when
	// the heap is twice as large as what is in use, would come again and again.
	heapFloor = 64 << 20
	// goPercent is Go's own GOGC.
	goPercent = 100
	// mostPercent bounds it while nearly nothing is in use.
	mostPercent = 3200
	liveEvery   = time.Second
)

// What the runtime says: GOGC, GOMEMLIMIT, and what was in use when the collector
// came last.
const (
	gcPercent   = "/gc/gogc:percent"
	memoryLimit = "/gc/gomemlimit:bytes"
	liveBytes   = "/gc/heap/live:bytes"
)

func runtimeSays(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// collect keeps the collector from coming before the heap has heapFloor. What is
// in use may be more: then it comes as it would by itself. Whoever has set GOGC or
// GOMEMLIMIT knows better, and nothing is changed.
func collect(ctx context.Context) error {
	if runtimeSays(gcPercent) != goPercent || runtimeSays(memoryLimit) != math.MaxInt64 {
		<-ctx.Done()
		return nil
	}
	defer debug.SetGCPercent(goPercent)
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for set := goPercent; ; {
		if percent := percentFor(runtimeSays(liveBytes)); percent != set {
			set = percent
			debug.SetGCPercent(set)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// percentFor is the GOGC with which a heap of so many bytes in use grows to
// heapFloor, or to twice what is in use. It goes by tens, as setting it stops the
// program for a moment.
func percentFor(live uint64) int {
	if live == 0 {
		return mostPercent
	}
	percent := (heapFloor/float64(live) - 1) * 100
	return int(min(max(percent, goPercent), mostPercent)) / 10 * 10
}
