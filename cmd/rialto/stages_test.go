package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
)

func TestStagesEndInOrder(t *testing.T) {
	var mu sync.Mutex
	var ended []string
	note := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, name)
			return nil
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := runStages(ctx, slog.New(slog.DiscardHandler),
		stage{"front", []func(context.Context) error{note("front")}},
		stage{"middle", []func(context.Context) error{note("middle"), note("middle")}},
		stage{"back", []func(context.Context) error{note("back")}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"front", "middle", "middle", "back"}; !slices.Equal(ended, want) {
		t.Errorf("ended as %v, want %v", ended, want)
	}
}

func TestOneFailureEndsEverything(t *testing.T) {
	broken := errors.New("broken")
	waits := func(ctx context.Context) error { <-ctx.Done(); return nil }
	fails := func(context.Context) error { return broken }
	err := runStages(t.Context(), slog.New(slog.DiscardHandler),
		stage{"front", []func(context.Context) error{waits}}, stage{"back", []func(context.Context) error{fails}})
	if !errors.Is(err, broken) {
		t.Errorf("got %v, want the failure", err)
	}
}
