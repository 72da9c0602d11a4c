package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

// Bounds of ChurnOptions, and what they are when nothing is said.
const (
	MaxChurn      = 100_000
	DefaultChurn  = 10_000
	MaxAtOnce     = 256
	DefaultAtOnce = 16
	MaxSettle     = 120
	// DefaultSettle is longer than the server waits for whoever falls silent, and than it takes to fill the ring once.
	DefaultSettle = 35

	warmJoins = 300
	// maxGrowth is by how much anything may be larger after than before.
	maxGrowth = 1.05
)

// ErrGrew is the error of Churn when the server has more of something than before.
var ErrGrew = errors.New("the server has not given back what the viewers took")

// ChurnOptions of Churn.
type ChurnOptions struct {
	Joins  int
	AtOnce int
	Settle int // seconds that the server is given before it is counted what it has
	JSON   bool
	// Progress takes a line for each step; nil: nobody is told.
	Progress io.Writer
}

// Validate says everything that is wrong with the options.
func (o ChurnOptions) Validate() error {
	return errors.Join(within("joins", o.Joins, MaxChurn), within("at-once", o.AtOnce, MaxAtOnce), within("settle", o.Settle, MaxSettle))
}

// Holding is what a server has at a moment, after its garbage was collected.
type Holding struct {
	RSS         int64 `json:"rss_bytes"`
	Heap        int64 `json:"heap_bytes"`
	Goroutines  int64 `json:"goroutines"`
	Descriptors int64 `json:"descriptors"`
}

// Growth is Holding after by before.
type Growth struct {
	RSS         float64 `json:"rss"`
	Heap        float64 `json:"heap"`
	Goroutines  float64 `json:"goroutines"`
	Descriptors float64 `json:"descriptors"`
}

// ChurnResult is what `rialto bench churn --json` prints: one object.
type ChurnResult struct {
	Joins   int            `json:"joins"`
	Left    map[string]int `json:"left"`    // by how they left
	Refused int            `json:"refused"` // told 503 at first, and came back
	Failed  map[string]int `json:"failed"`  // by cause
	Seconds float64        `json:"seconds"` // that it took
	Before  Holding        `json:"before"`
	After   Holding        `json:"after"`
	Growth  Growth         `json:"growth"`
	Grew    bool           `json:"grew"` // one of them by more than 5 %
}

// Churn has viewers join and leave in all ways there are, says what the server has of it in the end, and returns ErrGrew
// when that is more than before. It pins the whole process to a core and leaves it there.
func Churn(ctx context.Context, o ChurnOptions, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	r, err := conduct(ctx, "churn", o.JSON, out, o.measure)
	if err == nil && r.Grew {
		err = ErrGrew
	}
	return err
}

func (o ChurnOptions) measure(ctx context.Context, core int) (r ChurnResult, err error) {
	s, err := openStage(ctx, "relay", core)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.warm(ctx); err != nil {
		return r, err
	}
	// Its own viewers never join: they pass by.
	crowd, err := load.New(load.Config{URL: s.whep(), Viewers: 1, Retry: true})
	if err != nil {
		return r, err
	}
	defer crowd.Close()
	fmt.Fprintln(o.Progress, "some join and leave, and the server settles ...")
	if _, err := o.pass(ctx, crowd, min(warmJoins, o.Joins)); err != nil {
		return r, err
	}
	if r.Before, err = o.settle(ctx, s); err != nil {
		return r, err
	}
	fmt.Fprintf(o.Progress, "%d join and leave ...\n", o.Joins)
	waited, began := crowd.Stats().Waited, time.Now()
	if r, err = o.passed(ctx, crowd, r.Before); err != nil {
		return r, err
	}
	r.Seconds, r.Refused = round(time.Since(began).Seconds()), crowd.Stats().Waited-waited
	fmt.Fprintln(o.Progress, "the server settles ...")
	if r.After, err = o.settle(ctx, s); err != nil {
		return r, err
	}
	r.compare()
	return r, nil
}

func (o ChurnOptions) passed(ctx context.Context, crowd *load.Crowd, before Holding) (ChurnResult, error) {
	t, err := o.pass(ctx, crowd, o.Joins)
	return ChurnResult{Joins: o.Joins, Left: t.left, Failed: t.failed, Before: before}, err
}

// settle gives the server time, and counts.
func (o ChurnOptions) settle(ctx context.Context, s *stage) (h Holding, err error) {
	if err := load.Rest(ctx, time.Duration(o.Settle)*time.Second); err != nil {
		return h, err
	}
	var now state
	if err := s.child.ask(ctx, http.MethodGet, "/state?gc=1", nil, &now); err != nil {
		return h, err
	}
	h.Heap, h.Goroutines = now.Heap, int64(now.Goroutines)
	if h.RSS, err = resident(s.child.PID()); err != nil {
		return h, err
	}
	h.Descriptors, err = descriptors(s.child.PID())
	return h, err
}

// leaving says how the nth leaves: half of them DELETE, one of 25 never shakes hands, one never even answers, and one of
// a hundred falls silent. The server holds these for some seconds, and they must not be so many that nobody else gets in.
func leaving(n int) load.Leaving {
	switch {
	case n%2 == 0:
		return load.Deletes
	case n%50 == 1 || n%50 == 25:
		return load.NeverAnswers
	case n%50 == 7 || n%50 == 31:
		return load.NeverShakesHands
	case n%100 == 43:
		return load.FallsSilent
	}
	return load.SaysGoodbye
}

// tally is how it went for those that passed by.
type tally struct{ left, failed map[string]int }

// pass has n viewers join and leave.
func (o ChurnOptions) pass(ctx context.Context, crowd *load.Crowd, n int) (tally, error) {
	var mu sync.Mutex
	t := tally{map[string]int{}, map[string]int{}}
	var g errgroup.Group
	g.SetLimit(o.AtOnce)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		g.Go(func() error {
			how := leaving(i)
			err := crowd.Pass(ctx, i, how)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				t.left[how.String()]++
			} else {
				t.failed[load.Cause(err)]++
			}
			return nil
		})
	}
	_ = g.Wait()
	if ctx.Err() == nil && len(t.left) == 0 {
		return t, fmt.Errorf("nobody could join: %v", t.failed)
	}
	return t, ctx.Err()
}

func (r *ChurnResult) compare() {
	for _, c := range []struct {
		before, after int64
		into          *float64
	}{
		{r.Before.RSS, r.After.RSS, &r.Growth.RSS}, {r.Before.Heap, r.After.Heap, &r.Growth.Heap},
		{r.Before.Goroutines, r.After.Goroutines, &r.Growth.Goroutines},
		{r.Before.Descriptors, r.After.Descriptors, &r.Growth.Descriptors},
	} {
		exact := ratio(float64(c.after), float64(c.before))
		*c.into = round(exact)
		r.Grew = r.Grew || exact > maxGrowth
	}
}

// print writes the result for people.
func (r ChurnResult) print(out io.Writer) {
	fmt.Fprintf(out, "%d joined and left in %.0f s: %v; %d were told to wait first\n", r.Joins, r.Seconds, r.Left, r.Refused)
	if len(r.Failed) > 0 {
		fmt.Fprintf(out, "failed: %v\n", r.Failed)
	}
	fmt.Fprintf(out, "\n                    before      after\n")
	fmt.Fprintf(out, "  memory        %7d KB %7d KB   %.3f x\n", r.Before.RSS>>10, r.After.RSS>>10, r.Growth.RSS)
	fmt.Fprintf(out, "  heap          %7d KB %7d KB   %.3f x\n", r.Before.Heap>>10, r.After.Heap>>10, r.Growth.Heap)
	fmt.Fprintf(out, "  goroutines    %7d    %7d      %.3f x\n", r.Before.Goroutines, r.After.Goroutines, r.Growth.Goroutines)
	fmt.Fprintf(out, "  descriptors   %7d    %7d      %.3f x\n", r.Before.Descriptors, r.After.Descriptors, r.Growth.Descriptors)
}
