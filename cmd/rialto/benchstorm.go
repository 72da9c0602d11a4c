package main

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"

	"github.com/rialto-live/rialto/cmd/rialto/storm"
)

func runBenchStorm(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench storm")
	o := storm.Options{Progress: at.err}
	flags.Uint64Var(&o.Seed, "seed", 0, "the `number` that decides all; drawn when it is not given")
	flags.IntVar(&o.Sockets, "sockets", storm.DefaultSockets, "how `many` have real sockets, at 5 updates a second")
	flags.IntVar(&o.Memory, "memory", storm.DefaultMemory, "how `many` are in memory, at 1,000 updates a second")
	flags.IntVar(&o.Seconds, "seconds", storm.DefaultSeconds, "`how long` things happen")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench storm", err)
	}
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == "seed" })
	if !given {
		o.Seed = rand.Uint64()
	}
	got, err := storm.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := got.Print(at.out, o.JSON); err != nil {
		return err
	}
	if !got.OK {
		return errors.New("a promise is broken")
	}
	return nil
}
