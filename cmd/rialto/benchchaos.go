package main

import (
	"context"
	"fmt"
	"os"

	"github.com/rialto-live/rialto/cmd/rialto/chaos"
)

func runBenchChaos(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench chaos")
	o := chaos.Options{Progress: at.err}
	seedFlag(flags, &o.Seed)
	flags.IntVar(&o.Minutes, "minutes", chaos.DefaultMinutes, "`how long` it lasts at least")
	flags.IntVar(&o.Attempts, "attempts", chaos.DefaultAttempts, "how `many` attempts are made at least")
	flags.IntVar(&o.Cells, "cells", 0, "how `many` cells, whatever else is said; 0: the whole matrix at least")
	flags.StringVar(&o.Only, "only", "", "one `cell` alone, such as 14/redis-killed")
	flags.IntVar(&o.Buyers, "buyers", chaos.DefaultBuyers, "how `many` buy at the same time")
	flags.StringVar(&o.Data, "data", "", "`folder` of the stores, to be kept; without it one of its own, which is kept when a promise is broken")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if !chaos.CanDie() {
		return fmt.Errorf("bench chaos: this program cannot be killed where it hurts; make chaos builds one that can: %w", errUsage)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program to be killed: %w", err)
	}
	o.Program = program
	if err := o.Validate(); err != nil {
		return wordsError("bench chaos", err)
	}
	drawSeed(flags, &o.Seed)
	got, err := chaos.Run(ctx, o)
	if err != nil {
		return err
	}
	return promised(got, got.OK, o.JSON, at)
}
