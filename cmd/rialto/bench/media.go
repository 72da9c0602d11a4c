package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of Options, and what they are when nothing is said.
const (
	MaxViewers     = 2000
	DefaultViewers = 400
	MaxSeconds     = 120
	DefaultSeconds = 10
	MaxRounds      = 5
	DefaultRounds  = 2

	// baselineViewers is how many plain Pion is measured with: it does not hold many more on one core.
	baselineViewers = 100
	maxFloorLasts   = 3 * time.Second
)

// Options of Media.
type Options struct {
	Viewers int
	Seconds int // how long each settled server is watched
	Rounds  int // how often plain Pion and Rialto are measured in turn
	JSON    bool
	// Progress takes a line for each step; nil: nobody is told.
	Progress io.Writer
}

// Validate says everything that is wrong with the options.
func (o Options) Validate() error {
	return errors.Join(within("viewers", o.Viewers, MaxViewers), within("seconds", o.Seconds, MaxSeconds), within("rounds", o.Rounds, MaxRounds))
}

func within(name string, v, most int) error {
	if v < 1 || v > most {
		return fmt.Errorf("--%s is 1 to %d, not %d", name, most, v)
	}
	return nil
}

// Media measures this machine's relay and writes one Result, as JSON or as a table. It pins the whole process to a core
// and leaves it there.
func Media(ctx context.Context, o Options, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	_, err := conduct(ctx, "media", o.JSON, out, o.measure)
	return err
}

func (o Options) measure(ctx context.Context, core int) (Result, error) {
	window := time.Duration(o.Seconds) * time.Second
	fmt.Fprintln(o.Progress, "the floor ...")
	floor, err := runFloor(ctx, core, o.Viewers, min(window, maxFloorLasts))
	if err != nil {
		return Result{}, err
	}
	beside := min(o.Viewers, baselineViewers)
	var runs [2][]measured
	for range o.Rounds {
		for i, kind := range []string{"static", "relay"} {
			fmt.Fprintf(o.Progress, "%s with %d viewers ...\n", []string{"plain Pion", "Rialto"}[i], beside)
			m, err := measure(ctx, kind, core, beside, window)
			if err != nil {
				return Result{}, fmt.Errorf("bench of %s with %d viewers: %w", kind, beside, err)
			}
			runs[i] = append(runs[i], m)
		}
	}
	fmt.Fprintf(o.Progress, "Rialto with %d viewers ...\n", o.Viewers)
	m, err := measure(ctx, "relay", core, o.Viewers, window)
	if err != nil {
		return Result{}, fmt.Errorf("bench of relay with %d viewers: %w", o.Viewers, err)
	}
	return result(floor, m, runs[0], runs[1]), nil
}

// runFloor measures the floor in a child on the server's core, with as many sinks here as there will be viewers.
func runFloor(ctx context.Context, core, viewers int, window time.Duration) (f floorResult, err error) {
	sinks, err := openDrains(viewers)
	if err != nil {
		return f, err
	}
	defer sinks.close()
	c, err := startChild(ctx, "floor", core)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.Kill()) }()
	err = c.ask(ctx, http.MethodPost, "/floor", floorOrder{Sinks: sinks.ports(), Window: window}, &f)
	return f, err
}
