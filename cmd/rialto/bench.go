package main

import (
	"context"
	"fmt"

	"github.com/rialto-live/rialto/cmd/rialto/bench"
)

// runBench chooses among the benches. None needs a store or a setting.
func runBench(ctx context.Context, args []string, at terminal) error {
	kinds := map[string]func(context.Context, []string, terminal) error{
		"media": runBenchMedia, "joins": runBenchJoins, "churn": runBenchChurn,
	}
	if len(args) > 0 && kinds[args[0]] != nil {
		return kinds[args[0]](ctx, args[1:], at)
	}
	if len(args) > 0 && args[0] == bench.ChildCommand { // the benches' own servers; not for people
		return bench.Child(ctx, args[1:], at.out)
	}
	return fmt.Errorf(`bench knows
  media [--viewers N] [--seconds N] [--rounds N] [--json]
        what relaying a show costs on this machine: a server on one core, its viewers on another
  joins [--viewers N] [--joins N] [--seconds N] [--json]
        what a crowd that joins a running show gets, and what those notice who watch it already
  churn [--joins N] [--at-once N] [--settle N] [--json]
        what a server has kept when that many have joined and left; exit code 1 if it is over 5 %%
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

func runBenchJoins(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench joins")
	o := bench.JoinsOptions{Progress: at.err}
	flags.IntVar(&o.Viewers, "viewers", bench.DefaultEarly, "how `many` watch already")
	flags.IntVar(&o.Joins, "joins", bench.DefaultJoins, "how `many` join")
	flags.IntVar(&o.Seconds, "seconds", bench.DefaultJoinsSeconds, "`how long` they take to come, evenly")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench joins", err)
	}
	return bench.Joins(ctx, o, at.out)
}

func runBenchChurn(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench churn")
	o := bench.ChurnOptions{Progress: at.err}
	flags.IntVar(&o.Joins, "joins", bench.DefaultChurn, "how `many` join and leave")
	flags.IntVar(&o.AtOnce, "at-once", bench.DefaultAtOnce, "how `many` of them at the same time")
	flags.IntVar(&o.Settle, "settle", bench.DefaultSettle, "how many `seconds` the server is given before each count")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench churn", err)
	}
	return bench.Churn(ctx, o, at.out)
}
