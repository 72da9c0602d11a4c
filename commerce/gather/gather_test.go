package gather

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// rounds is a stage whose rounds wait to be let go, and are remembered.
type rounds struct {
	*Stage[int]
	begun chan []int
	goOn  chan struct{}
}

func newRounds(writers int, answer func(of int) error) *rounds {
	return newRoundsOf(nil, writers, answer)
}

func newRoundsOf(turns Turns, writers int, answer func(of int) error) *rounds {
	r := &rounds{begun: make(chan []int, 64), goOn: make(chan struct{})}
	r.Stage = New(turns, writers, time.Minute, func(_ context.Context, calls []int) []error {
		r.begun <- calls
		<-r.goOn
		errs := make([]error, len(calls))
		for i, of := range calls {
			errs[i] = answer(of)
		}
		return errs
	})
	return r
}

// come has n callers come one after the other; each asks for its number, from first on.
func (r *rounds) come(ctx context.Context, group *sync.WaitGroup, first, n int, answered func(of int, err error)) {
	for of := first; of < first+n; of++ {
		group.Go(func() { answered(of, r.Do(ctx, of)) })
		synctest.Wait()
	}
}

func TestWhoComesMeanwhileGoesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		odd := errors.New("odd")
		r := newRounds(1, func(of int) error {
			if of%2 == 1 {
				return fmt.Errorf("%d is %w", of, odd)
			}
			return nil
		})
		var group sync.WaitGroup
		r.come(t.Context(), &group, 0, 1+MaxTogether+3, func(of int, err error) {
			if errors.Is(err, odd) != (of%2 == 1) || err != nil && err.Error() != fmt.Sprintf("%d is odd", of) {
				t.Errorf("%d was answered %v", of, err)
			}
		})
		next := 0
		for _, size := range []int{1, MaxTogether, 3} {
			calls := <-r.begun
			if len(calls) != size {
				t.Errorf("%d go together, want %d", len(calls), size)
			}
			for _, of := range calls {
				if of != next {
					t.Fatalf("%d before %d", of, next)
				}
				next++
			}
			r.goOn <- struct{}{}
			synctest.Wait()
		}
		group.Wait()
		if r.rounds() != 0 {
			t.Error("a round is left")
		}
	})
}

func (r *rounds) rounds() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Stage.rounds
}

func TestAtMostSoManyRoundsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRounds(2, func(int) error { return nil })
		var group sync.WaitGroup
		r.come(t.Context(), &group, 0, 7, func(of int, err error) {
			if err != nil {
				t.Errorf("%d: %v", of, err)
			}
		})
		if len(r.begun) != 2 {
			t.Fatalf("%d rounds are under way", len(r.begun))
		}
		close(r.goOn)
		group.Wait()
		// Both that end may hand over, and share those who wait.
		if n := len(r.begun); n < 3 || n > 4 || r.rounds() != 0 {
			t.Errorf("%d rounds in all, %d left", n, r.rounds())
		}
	})
}

// While one stage has the only turn, those who come to another gather; who never gets a turn hears so, and nothing was done.
func TestStagesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fine := func(int) error { return nil }
		turns := NewTurns(1)
		first, second := newRoundsOf(turns, 1, fine), newRoundsOf(turns, 1, fine)
		var group sync.WaitGroup
		var late atomic.Int32
		answered := func(_ int, err error) {
			if errors.Is(err, context.DeadlineExceeded) {
				late.Add(1)
			} else if err != nil {
				t.Error(err)
			}
		}
		first.come(t.Context(), &group, 0, 1, answered)
		second.come(t.Context(), &group, 1, 3, answered)
		if len(first.begun) != 1 || len(second.begun) != 0 {
			t.Fatalf("%d and %d rounds are under way", len(first.begun), len(second.begun))
		}
		first.goOn <- struct{}{}
		if calls := <-second.begun; len(calls) != 3 {
			t.Errorf("a round of %v", calls)
		}
		first.come(t.Context(), &group, 4, 2, answered)
		time.Sleep(time.Minute)
		synctest.Wait()
		if late.Load() != 2 || len(first.begun) != 1 {
			t.Errorf("%d were told that they had no turn, %d rounds of the first", late.Load(), len(first.begun))
		}
		second.goOn <- struct{}{}
		group.Wait()
		first.come(t.Context(), &group, 6, 1, answered)
		first.goOn <- struct{}{}
		group.Wait()
		if late.Load() != 2 || len(turns) != 0 || first.rounds() != 0 || second.rounds() != 0 {
			t.Errorf("%d late, %d turns, %d and %d rounds are left", late.Load(), len(turns), first.rounds(), second.rounds())
		}
	})
}

func TestWhoLeavesBeforeTheirRoundIsInNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRounds(1, func(int) error { return nil })
		var group sync.WaitGroup
		must := func(of int, err error) {
			if err != nil {
				t.Errorf("%d: %v", of, err)
			}
		}
		leaving, leave := context.WithCancel(t.Context())
		r.come(leaving, &group, 0, 1, must) // in a round, which is finished
		r.come(leaving, &group, 1, 1, func(_ int, err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who left was answered %v", err)
			}
		})
		r.come(t.Context(), &group, 2, 1, must)
		leave()
		synctest.Wait()
		close(r.goOn)
		group.Wait()
		if first, second := <-r.begun, <-r.begun; len(first) != 1 || len(second) != 1 || second[0] != 2 || len(r.begun) != 0 {
			t.Errorf("rounds of %v and %v", first, second)
		}
	})
}

// Who is handed the stage and leaves at that moment leads the round all the same: those behind them wait for it.
func TestNobodyIsLeftWaiting(t *testing.T) {
	s := New(nil, 1, time.Minute, func(_ context.Context, calls []int) []error { return make([]error, len(calls)) })
	var group sync.WaitGroup
	for n := range 64 {
		ctx, cancel := context.WithCancel(t.Context())
		for range 16 {
			group.Go(func() {
				if err := s.Do(ctx, n); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		group.Go(cancel)
	}
	group.Wait()
	if s.rounds != 0 || len(s.queue) != 0 {
		t.Errorf("%d rounds and %d calls are left", s.rounds, len(s.queue))
	}
}

func TestOneTooManyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRounds(1, func(int) error { return nil })
		var group sync.WaitGroup
		must := func(of int, err error) {
			if err != nil {
				t.Errorf("%d: %v", of, err)
			}
		}
		r.come(t.Context(), &group, 0, 1, must)
		for of := range MaxWaiting {
			group.Go(func() { must(of, r.Do(t.Context(), of)) })
		}
		synctest.Wait()
		if err := r.Do(t.Context(), -1); !errors.Is(err, ErrCrowded) {
			t.Errorf("one more: %v", err)
		}
		go func() { // the rounds end one after the other
			for range r.begun {
			}
		}()
		close(r.goOn)
		group.Wait()
		close(r.begun)
	})
}

// A round that breaks off leaves nobody waiting, and the next one is done.
func TestARoundThatBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := make(chan struct{})
		s := New(nil, 1, time.Minute, func(_ context.Context, calls []string) []error {
			switch calls[0] {
			case "breaks":
				<-broken
				panic("broken")
			case "forgets":
				return nil
			}
			return make([]error, len(calls))
		})
		var group sync.WaitGroup
		group.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was hidden from its caller")
				}
			}()
			_ = s.Do(t.Context(), "breaks")
		})
		synctest.Wait()
		group.Go(func() {
			if err := s.Do(t.Context(), "forgets"); !errors.Is(err, ErrUnanswered) {
				t.Errorf("a call that was forgotten: %v", err)
			}
		})
		synctest.Wait()
		close(broken)
		group.Wait()
		if err := s.Do(t.Context(), "works"); err != nil {
			t.Error(err)
		}
	})
}

func TestARoundHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(nil, 1, time.Second, func(ctx context.Context, calls []int) []error {
			<-ctx.Done()
			return []error{context.Cause(ctx)}
		})
		gone, leave := context.WithCancel(t.Context())
		leave()
		begun := time.Now()
		if err := s.Do(gone, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}
