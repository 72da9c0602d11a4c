package main

import (
	"context"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, mostPercent}, {1 << 10, mostPercent}, {heapFloor / 10, 900}, {heapFloor / 4, 300}, {heapFloor / 2, goPercent}, {heapFloor, goPercent}, {100 * heapFloor, goPercent},
	} {
		if got := percentFor(c.live); got != c.want {
			t.Errorf("with %d bytes in use: %d, want %d", c.live, got, c.want)
		}
		if goal := c.live + c.live*uint64(percentFor(c.live))/100; goal > max(heapFloor, 2*c.live) {
			t.Errorf("with %d bytes in use the heap grows to %d", c.live, goal)
		}
	}
}

// Garbage is let lie while a node runs, unless its owner has said how much.
func TestCollect(t *testing.T) {
	now := func() uint64 { return runtimeSays(gcPercent) }
	while := func() (percent uint64) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- collect(ctx) }()
		for range 100 {
			if percent = now(); percent > goPercent {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return percent
	}
	before := debug.SetGCPercent(goPercent)
	defer debug.SetGCPercent(before)
	if during := while(); during <= goPercent || now() != goPercent {
		t.Errorf("%d while it ran, %d afterwards", during, now())
	}
	debug.SetGCPercent(50)
	if during := while(); during != 50 || now() != 50 {
		t.Errorf("50 was set: %d while it ran, %d afterwards", during, now())
	}
	debug.SetGCPercent(goPercent)
	limit := debug.SetMemoryLimit(1 << 40)
	defer debug.SetMemoryLimit(limit)
	if during := while(); during != goPercent {
		t.Errorf("a limit was set: %d while it ran", during)
	}
}
