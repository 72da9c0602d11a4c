package ws

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	const perSec, burst = 5, 20
	var b bucket
	now := time.Unix(1_700_000_000, 0)
	take := func(n int, want bool) {
		t.Helper()
		if got := b.take(now, n, perSec, burst); got != want {
			t.Fatalf("take %d: %v", n, got)
		}
	}
	take(burst+1, false) // more than there ever is
	take(burst, true)
	take(1, false)
	now = now.Add(time.Second / perSec)
	take(1, true)
	take(1, false)
	now = now.Add(-time.Hour) // a clock that was set back
	take(1, false)
	now = now.Add(time.Second)
	take(perSec, true)
	take(1, false)
	now = now.Add(time.Hour)
	take(burst, true)
	take(1, false)
	for range 10_000 { // what is counted in small parts adds up
		now = now.Add(time.Millisecond)
	}
	granted := 0
	for range 4000 {
		now = now.Add(10 * time.Millisecond)
		if b.take(now, 1, perSec, burst) {
			granted++
		}
	}
	if want := burst + 40*perSec; granted < want-1 || granted > want+1 {
		t.Errorf("%d in 40 s, want %d", granted, want)
	}
}
