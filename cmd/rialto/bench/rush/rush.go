package rush

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Bounds of Options, and what they are when nothing is said.
const (
	MaxBuyers     = 8000
	DefaultBuyers = 500
	// DefaultLosers is how many tap at once where nearly all lose.
	DefaultLosers  = 2000
	MaxSeconds     = 60
	DefaultSeconds = 4
	MaxRounds      = 9
	DefaultRounds  = 3

	// warmFor is what each window is preceded by: connections are made, statements prepared, the gate's copy loaded.
	warmFor = 500 * time.Millisecond
)

// ErrBroken is the error of Run when somebody was told "yours", or that an order is theirs, and Postgres does not know, or the
// other way round, and when rialto verify finds a breach.
var ErrBroken = errors.New("what buyers were told is not what Postgres has")

// Options of Run.
type Options struct {
	Buyers  int // tap at once for units that there are
	Losers  int // tap at once for units that there are not
	Seconds int // each window
	Rounds  int // how often everything is measured in turn
	// Only names the parts of Parts to measure, with commas between them; "" is all.
	Only string
	JSON bool
	// Progress takes a line for each step; nil: nobody is told.
	Progress io.Writer
}

// Parts are what can be measured by itself.
var Parts = []string{"set", "for_update", "holds", "taps", "without_redis", "http", "socket", "stepwise", "purchases", "sandbox"}

func (o Options) wants(part string) bool {
	return o.Only == "" || slices.Contains(strings.Split(o.Only, ","), part)
}

// Validate says everything that is wrong with the options.
func (o Options) Validate() error {
	within := func(name string, n, most int) error {
		if n < 1 || n > most {
			return fmt.Errorf("--%s is from 1 to %d", name, most)
		}
		return nil
	}
	var unknown error
	for part := range strings.SplitSeq(o.Only, ",") {
		if o.Only != "" && !slices.Contains(Parts, part) {
			unknown = errors.Join(unknown, fmt.Errorf("--only knows %s, not %q", strings.Join(Parts, ", "), part))
		}
	}
	return errors.Join(unknown, within("buyers", o.Buyers, MaxBuyers), within("losers", o.Losers, MaxBuyers),
		within("seconds", o.Seconds, MaxSeconds), within("rounds", o.Rounds, MaxRounds))
}

// Run measures, and writes what came out as JSON or for people.
func Run(ctx context.Context, o Options, out io.Writer) (err error) {
	if err := o.Validate(); err != nil {
		return err
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	b, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var rounds []round
	for n := range o.Rounds {
		fmt.Fprintf(o.Progress, "round %d of %d\n", n+1, o.Rounds)
		r, err := b.round(ctx)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	r := o.result(rounds)
	if b.wants("purchases") || b.wants("sandbox") {
		fmt.Fprintln(o.Progress, "rialto verify")
		breaches, err := b.verified(ctx)
		if err != nil {
			return err
		}
		r.Wrong += breaches
	}
	if o.JSON {
		err = json.NewEncoder(out).Encode(r)
	} else {
		r.print(out)
	}
	if err == nil && r.Wrong != 0 {
		err = ErrBroken
	}
	return err
}

// round is everything once.
type round struct {
	set       float64 // a second
	forUpdate float64
	holds     tapped
	taps      tapped
	alone     tapped // without Redis
	stepwise  float64
	purchases bought
	sandbox   bought

	httpHolds, httpTaps     tapped // over the wire, at the real program
	socketHolds, socketTaps tapped
}

func (b *bench) round(ctx context.Context) (r round, err error) {
	step := func(part, what string, do func() error) {
		if err != nil || !b.wants(part) {
			return
		}
		fmt.Fprintf(b.Progress, "  %s\n", what)
		err = do()
	}
	step("set", "SET by redis-benchmark", func() (err error) { r.set, err = b.set(ctx); return err })
	step("for_update", "SELECT ... FOR UPDATE", func() (err error) { r.forUpdate, err = b.forUpdate(ctx); return err })
	step("holds", "holds", func() (err error) { r.holds, err = b.tap(ctx, b.redis, b.Buyers, plenty); return err })
	step("taps", "taps when nearly all lose", func() (err error) { r.taps, err = b.tap(ctx, b.redis, b.Losers, few); return err })
	step("without_redis", "holds without Redis", func() (err error) { r.alone, err = b.tap(ctx, b.nowhere, b.Buyers, plenty); return err })
	step("stepwise", "purchases, a transaction per step", func() (err error) { r.stepwise, err = b.stepwise(ctx); return err })
	step("purchases", "purchases over a stub of a payment company in this process", func() (err error) {
		r.purchases, err = b.purchases(ctx, atOnce{}, atOnceName)
		return err
	})
	step("sandbox", "purchases over the sandbox", func() (err error) { r.sandbox, err = b.sandbox(ctx); return err })
	step("http", "holds and taps over HTTP", func() (err error) { r.httpHolds, r.httpTaps, err = b.overTheWire(ctx, "http"); return err })
	step("socket", "holds and taps over WebSockets", func() (err error) { r.socketHolds, r.socketTaps, err = b.overTheWire(ctx, "socket"); return err })
	return r, err
}
