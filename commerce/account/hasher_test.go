package account

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestHasherPlaces(t *testing.T) {
	const slots, waiting = 2, 3
	h := newHasher(slots, waiting)
	release := make(chan struct{})
	inside, done := make(chan struct{}, slots+waiting), make(chan error, slots+waiting)
	for range slots + waiting {
		go func() {
			done <- h.inSlot(context.Background(), func() error { inside <- struct{}{}; <-release; return nil })
		}()
	}
	for range slots {
		<-inside
	}
	for len(h.waiting) < slots+waiting { // the others have taken their places in the queue
		select {
		case <-inside:
			t.Fatal("more at work than slots")
		default:
		}
	}
	if err := h.inSlot(t.Context(), func() error { t.Error("ran past the limit"); return nil }); !errors.Is(err, ErrBusy) {
		t.Errorf("one past the limit: %v", err)
	}
	close(release)
	for range slots + waiting {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := h.inSlot(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestWaitingEndsWithTheCaller(t *testing.T) {
	h := newHasher(1, 1)
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "password"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNobodysPasswordCostsTheSame(t *testing.T) {
	h := newHasher(1, 1)
	if same, err := h.Compare(t.Context(), "nobody's", ""); same || err != nil {
		t.Errorf("the password of nobody opens: %v, %v", same, err)
	}
	real, err := h.Hash(t.Context(), "password")
	if err != nil {
		t.Fatal(err)
	}
	cost := func(hash string) string { return strings.Join(strings.Split(hash, "$")[:4], "$") }
	if cost(h.decoy) != cost(real) {
		t.Errorf("decoy %s, real %s", h.decoy, real)
	}
}
