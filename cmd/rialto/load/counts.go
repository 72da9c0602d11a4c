package load

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// progressEvery is how often a crowd says how it goes.
const progressEvery = time.Second

// eachSecond tells how it goes until ctx ends.
func eachSecond(ctx context.Context, tell func()) {
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		tell()
	}
}

func total[K comparable](counts map[K]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// mostFrequent is the cause of most failures, for an error's end; "" for none.
func mostFrequent(causes map[string]int) string {
	most := ""
	for cause, n := range causes {
		if most == "" || n > causes[most] {
			most = cause
		}
	}
	if most == "" {
		return ""
	}
	return ": " + most
}

// each prints a line for each count.
func each(out io.Writer, what string, counts map[string]int, between string) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "  %-13s %d%s%s\n", what, counts[name], between, name)
	}
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
