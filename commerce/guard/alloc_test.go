//go:build !race

package guard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/guard"
)

// A crowd of as many addresses as it has people leaves no garbage: neither those that are new nor those that come again.
func TestAllocLimiter(t *testing.T) {
	l := limiter(t, "", time.Now)
	rule := guard.Rule{Name: "test", Burst: 10, Every: time.Millisecond}
	keys := make([]string, 2*guard.MaxBuckets)
	for i := range keys {
		keys[i] = fmt.Sprint(i)
	}
	next := 0
	count := func() {
		if ok, _, err := l.Allow(t.Context(), rule, keys[next%len(keys)]); !ok || err != nil {
			t.Fatal(ok, err)
		}
		next++
	}
	for range keys {
		count()
	}
	if n := testing.AllocsPerRun(len(keys), count); n != 0 {
		t.Errorf("counting allocates %v times", n)
	}
}

// Checking a guest's token makes hardly more than what it says.
func TestAllocVerify(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	token, err := s.Sign(guard.Claims{Kind: guard.Guest, Subject: "gst_019ad66c6c4d7a9db6e2dc47b04d23a1", Expires: epoch.Unix() + 1})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := s.Verify(guard.Guest, token); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("checking a token allocates %v times", n)
	}
}
