package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// stage is a group of goroutines that end together.
type stage struct {
	name string
	runs []func(context.Context) error
}

// runStages runs all stages at once until ctx ends or anything fails. Then it
// ends them one after the other, first to last, each only when everything in
// the one before has returned. It returns every error.
func runStages(ctx context.Context, log *slog.Logger, stages ...stage) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	type running struct {
		stop context.CancelFunc
		wait sync.WaitGroup
	}
	all := make([]*running, len(stages))
	var mu sync.Mutex
	var errs []error
	for i, s := range stages {
		// Detached: a stage ends when its turn comes, not when ctx does.
		own, stop := context.WithCancel(context.WithoutCancel(ctx))
		all[i] = &running{stop: stop}
		for _, run := range s.runs {
			all[i].wait.Go(func() {
				if err := run(own); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					fail(err)
				}
			})
		}
	}
	<-ctx.Done()
	for i, r := range all {
		log.Debug("stopping", "stage", stages[i].name)
		r.stop()
		r.wait.Wait()
	}
	return errors.Join(errs...)
}
