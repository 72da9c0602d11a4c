package main

import (
	"context"

	"github.com/rialto-live/rialto/cmd/rialto/storm"
)

func runBenchStorm(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench storm")
	o := storm.Options{Progress: at.err}
	seedFlag(flags, &o.Seed)
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
	drawSeed(flags, &o.Seed)
	got, err := storm.Run(ctx, o)
	if err != nil {
		return err
	}
	return promised(got, got.OK, o.JSON, at)
}
