package main

import (
	"strings"
	"testing"
)

// The program that people run has no places to die at, and says who has; the one that has looks at its words.
func TestBenchChaosNeedsAProgramThatCanDie(t *testing.T) {
	if p := finish(t, exitUsage, nil, program(t), "bench", "chaos", "--cells", "1"); !strings.Contains(p.err.String(), "make chaos builds one") {
		t.Errorf("it says %q", p.err.String())
	}
	p := finish(t, exitUsage, nil, doomed.program(t), "bench", "chaos", "--cells", "-1", "--only", "17/calm", "--buyers", "1")
	for _, says := range []string{"--cells is 0 to", "--buyers is 2 to", `there is no cell "17/calm"`} {
		if !strings.Contains(p.err.String(), says) {
			t.Errorf("it does not say %q: %q", says, p.err.String())
		}
	}
	if p := finish(t, exitUsage, []string{"CLOCK_SKEW=soon"}, doomed.program(t), "version"); !strings.HasPrefix(p.err.String(), "rialto: CLOCK_SKEW: ") {
		t.Errorf("a clock that is wrong by soon: %q", p.err.String())
	}
}
