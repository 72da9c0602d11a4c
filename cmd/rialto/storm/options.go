package storm

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// Defaults and limits of a storm.
const (
	DefaultSockets = 2000
	DefaultMemory  = 10_000
	DefaultSeconds = 60

	MaxSockets = 8000 // each has two ends in this process
	MaxMemory  = 40_000
	MaxSeconds = 600

	socketRate = 5 // updates a second
	memoryRate = 1000
)

// Options say how large a storm is.
type Options struct {
	Seed     uint64 // decides all that happens
	Sockets  int    // viewers with real sockets
	Memory   int    // viewers in memory
	Seconds  int    // how long things happen; then everybody comes back
	JSON     bool
	Progress io.Writer // the seed is told here first
	// Trouble is what happens to Redis; default Restarted.
	Trouble Trouble

	// What tests change.
	socketRate, memoryRate int
	patience               time.Duration
	// shared says that others run in this process too, so that its goroutines
	// and its memory say nothing.
	shared bool
	// tamper changes what a viewer in memory reads of the uncompressed texts; it
	// returns the texts to read in place of this one.
	tamper func(viewer int, text []byte) [][]byte
	// source comes between a node's bus and its hub.
	source func(node int, s realtime.Source) realtime.Source
}

// Validate says everything that is wrong at once.
func (o Options) Validate() error {
	var wrong []error
	for _, limit := range []struct {
		flag        string
		n, from, to int
	}{
		{"--sockets", o.Sockets, 1, MaxSockets}, {"--memory", o.Memory, 1, MaxMemory}, {"--seconds", o.Seconds, 1, MaxSeconds},
	} {
		if limit.n < limit.from || limit.n > limit.to {
			wrong = append(wrong, fmt.Errorf("%s is %d to %d, not %d", limit.flag, limit.from, limit.to, limit.n))
		}
	}
	return errors.Join(wrong...)
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Trouble == "" {
		o.Trouble = Restarted
	}
	if o.socketRate == 0 {
		o.socketRate = socketRate
	}
	if o.memoryRate == 0 {
		o.memoryRate = memoryRate
	}
	if o.patience == 0 {
		o.patience = 2 * time.Minute
	}
	return o
}
