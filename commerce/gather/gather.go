package gather

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// MaxTogether is how many calls go in one round.
	MaxTogether = 256
	// MaxWaiting is how many calls wait for a round at most: a stage whose rounds fail slowly keeps no crowd for minutes.
	MaxWaiting = 8192
)

var (
	// ErrCrowded: MaxWaiting calls wait already. Nothing was done.
	ErrCrowded = errors.New("too many calls are waiting")
	// ErrUnanswered: the round broke off, or forgot the call. Whether anything was done for it is not known.
	ErrUnanswered = errors.New("the call has no answer")
)

// Turns bound how many rounds are under way at once, of all the stages that share them. Whoever waits for a turn may still be
// joined: fewer and larger rounds do more in the same time, where all of them need the same machine. nil bounds nothing.
type Turns chan struct{}

// NewTurns makes so many.
func NewTurns(n int) Turns { return make(Turns, n) }

// Stage does something for many callers at once.
type Stage[T any] struct {
	// static after New
	turns   Turns
	writers int
	limit   time.Duration
	do      func(ctx context.Context, calls []T) []error

	mu sync.Mutex
	// guarded by mu
	queue  []*call[T] // without those who lead a round, or are about to
	rounds int        // under way, or handed over to one who waited
}

// call is one caller's.
type call[T any] struct {
	of   T
	err  error     // owned by the round; read by the caller after turn
	turn chan bool // of one place: true, the stage is yours; false, you are answered
}

// New makes a stage that has at most so many rounds under way at once, each in its turn. do is given the calls of a round and answers an error
// or nil for each, in their order. limit bounds a round, and the wait for its turn: its ctx ends then.
func New[T any](turns Turns, writers int, limit time.Duration, do func(ctx context.Context, calls []T) []error) *Stage[T] {
	return &Stage[T]{turns: turns, writers: writers, limit: limit, do: do}
}

// Do has one call done, with those who wait, and answers what do said about it. When ctx ends while it still waits for a
// round, nothing was done and the error is ctx's cause.
func (s *Stage[T]) Do(ctx context.Context, of T) error {
	c := &call[T]{of: of, err: ErrUnanswered, turn: make(chan bool, 1)}
	lead, err := s.join(c)
	if err != nil {
		return err
	}
	if !lead {
		select {
		case lead = <-c.turn:
		case <-ctx.Done():
			if s.leave(c) {
				return context.Cause(ctx)
			}
			lead = <-c.turn
		}
	}
	if lead {
		s.round(ctx, c)
	}
	return c.err
}

// join queues a call, or gives it a round of its own when one may begin.
func (s *Stage[T]) join(c *call[T]) (lead bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rounds < s.writers { // then nobody waits
		s.rounds++
		return true, nil
	}
	if len(s.queue) >= MaxWaiting {
		return false, fmt.Errorf("%w: %d", ErrCrowded, len(s.queue))
	}
	s.queue = append(s.queue, c)
	return false, nil
}

// leave takes a call out of the queue. It is false when its turn has come.
func (s *Stage[T]) leave(c *call[T]) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.queue, c)
	if at < 0 {
		return false
	}
	s.queue = slices.Delete(s.queue, at, at+1)
	return true
}

// round does one, for its leader and those who wait.
func (s *Stage[T]) round(ctx context.Context, leader *call[T]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.limit)
	defer cancel()
	late := s.turns.take(ctx)
	if late == nil {
		defer s.turns.end()
		runtime.Gosched() // whoever is about to come may still go along
	}
	calls := append(make([]*call[T], 0, MaxTogether), leader)
	s.mu.Lock()
	n := min(len(s.queue), MaxTogether-1)
	calls = append(calls, s.queue[:n]...)
	s.queue = slices.Delete(s.queue, 0, n)
	s.mu.Unlock()
	defer s.end(calls) // also when do panics: nobody may wait for ever
	if late != nil {   // nothing was done for any of them
		for _, c := range calls {
			c.err = late
		}
		return
	}
	of := make([]T, len(calls))
	for i, c := range calls {
		of[i] = c.of
	}
	for i, err := range s.do(ctx, of) {
		calls[i].err = err
	}
}

func (t Turns) take(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no turn: %w", context.Cause(ctx))
	}
}

func (t Turns) end() {
	if t != nil {
		<-t
	}
}

// end hands the stage over to who waits first, and lets the callers go.
func (s *Stage[T]) end(calls []*call[T]) {
	var next *call[T]
	s.mu.Lock()
	if len(s.queue) > 0 {
		next = s.queue[0]
		s.queue = slices.Delete(s.queue, 0, 1)
	} else {
		s.rounds--
	}
	s.mu.Unlock()
	if next != nil {
		next.turn <- true
	}
	for _, c := range calls[1:] {
		c.turn <- false
	}
}
