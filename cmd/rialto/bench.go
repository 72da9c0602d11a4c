package main

import (
	"context"
	"fmt"

	"github.com/rialto-live/rialto/cmd/rialto/bench"
)

// runBench chooses among the benches. None needs a store or a setting.
func runBench(ctx context.Context, args []string, at terminal) error {
	if len(args) > 0 && args[0] == "media" {
		return runBenchMedia(ctx, args[1:], at)
	}
	if len(args) > 0 && args[0] == bench.ChildCommand { // the bench's own servers; not for people
		return bench.Child(ctx, args[1:], at.out)
	}
	return fmt.Errorf(`bench knows
  media [--viewers N] [--seconds N] [--rounds N] [--json]
        what relaying a show costs on this machine: a server on one core, its viewers on another
%w`, errUsage)
}

func runBenchMedia(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench media")
	o := bench.Options{Progress: at.err}
	flags.IntVar(&o.Viewers, "viewers", bench.DefaultViewers, "how `many` watch")
	flags.IntVar(&o.Seconds, "seconds", bench.DefaultSeconds, "`how long` each server is watched once it has settled")
	flags.IntVar(&o.Rounds, "rounds", bench.DefaultRounds, "how `often` plain Pion and Rialto are measured in turn")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench media", err)
	}
	return bench.Media(ctx, o, at.out)
}
