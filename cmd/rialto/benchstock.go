package main

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/bench/rush"
)

func runBenchStock(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench stock")
	o := rush.Options{Progress: at.err}
	flags.IntVar(&o.Buyers, "buyers", rush.DefaultBuyers, "how `many` tap at once for units that there are")
	flags.IntVar(&o.Losers, "losers", rush.DefaultLosers, "how `many` tap at once for units that there are not")
	flags.IntVar(&o.Seconds, "seconds", rush.DefaultSeconds, "`how long` each window is")
	flags.IntVar(&o.Rounds, "rounds", rush.DefaultRounds, "how `often` everything is measured in turn")
	flags.StringVar(&o.Only, "only", "", "`parts` to measure, with commas: "+strings.Join(rush.Parts, ", ")+"; without it, all")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench stock", err)
	}
	ctx, stop := context.WithCancel(ctx)
	var collecting errgroup.Group
	collecting.Go(func() error { return collect(ctx) }) // as in a node
	err := rush.Run(ctx, o, at.out)
	stop()
	return errors.Join(err, collecting.Wait())
}
