package chaos

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Defaults and limits of a run.
const (
	DefaultBuyers   = 96
	DefaultMinutes  = 30
	DefaultAttempts = 1_000_000

	MaxBuyers   = 1000 // each has an address of its own, and one connection to each node at least
	MaxMinutes  = 24 * 60
	MaxAttempts = 1_000_000_000
	MaxCells    = 100_000

	// loadFor is how long the crowd of a cell is at it.
	loadFor = 6 * time.Second
	// patience bounds what is no promise to anybody; nothing waits for it when all is well.
	patience = 90 * time.Second
)

// Options say what a run is.
type Options struct {
	Seed     uint64 // decides which cells come when, all faults and what each buyer does
	Minutes  int    // it lasts so long at least,
	Attempts int    // until so much was tried,
	Cells    int    // or for so many cells, whatever the two above say; 0: all of the matrix at least
	Only     string // this cell alone, such as 14/redis-killed; see Cell.Name
	Buyers   int
	Program  string // a build of the program with -tags crashpoints
	Data     string // the folder of the stores; empty: one of its own, which is kept when a promise is broken
	JSON     bool
	Progress io.Writer // the seed is told here first

	// What tests change.
	load time.Duration
}

// Validate says everything that is wrong at once.
func (o Options) Validate() error {
	var wrong []error
	for _, limit := range []struct {
		flag        string
		n, from, to int
	}{
		{"--buyers", o.Buyers, 2, MaxBuyers}, {"--minutes", o.Minutes, 0, MaxMinutes}, {"--attempts", o.Attempts, 0, MaxAttempts}, {"--cells", o.Cells, 0, MaxCells},
	} {
		if limit.n < limit.from || limit.n > limit.to {
			wrong = append(wrong, fmt.Errorf("%s is %d to %d, not %d", limit.flag, limit.from, limit.to, limit.n))
		}
	}
	if o.Only != "" {
		if _, err := named(o.Only); err != nil {
			wrong = append(wrong, fmt.Errorf("--only: %w", err))
		}
	}
	if o.Program == "" {
		wrong = append(wrong, errors.New("the program to be killed is missing"))
	}
	return errors.Join(wrong...)
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.load == 0 {
		o.load = loadFor
	}
	return o
}

// done says whether a run of o has had enough.
func (o Options) done(cells, attempts int, took time.Duration) bool {
	switch {
	case o.Cells > 0:
		return cells >= o.Cells
	case o.Only != "":
		return cells >= 1
	}
	return cells >= len(rows)*len(faults) && attempts >= o.Attempts && took >= time.Duration(o.Minutes)*time.Minute
}

// command is the line that brings one cell again.
func (o Options) command(c Cell) string {
	return strings.TrimSpace(fmt.Sprintf("rialto bench chaos --seed %d --only %s --buyers %d", o.Seed, c.Name(), o.Buyers))
}
