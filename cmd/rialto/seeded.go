package main

import (
	"errors"
	"flag"
	"io"
	"math/rand/v2"
)

const seedName = "seed"

func seedFlag(flags *flag.FlagSet, seed *uint64) {
	flags.Uint64Var(seed, seedName, 0, "the `number` that decides all; drawn when it is not given")
}

// drawSeed draws one if none was given. 0 may be meant.
func drawSeed(flags *flag.FlagSet, seed *uint64) {
	given := false
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == seedName })
	if !given {
		*seed = rand.Uint64()
	}
}

// promised prints what came of promises. One that is broken is an error.
func promised(got interface {
	Print(out io.Writer, asJSON bool) error
}, kept, asJSON bool, at terminal) error {
	if err := got.Print(at.out, asJSON); err != nil {
		return err
	}
	if !kept {
		return errors.New("a promise is broken")
	}
	return nil
}
