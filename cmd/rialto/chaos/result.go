package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// report is what one cell was like.
type report struct {
	Cell           string
	Failure        string
	Reached        int // places to die at
	Attempts       int
	LostWithBackup int
	Breaches       []breach
	Took           time.Duration

	plan    plan
	history *history
}

// Result is what `rialto bench chaos --json` prints: one object.
type Result struct {
	Seed     uint64         `json:"seed"`
	Cells    int            `json:"cells"`
	Matrix   int            `json:"matrix"`  // cells of one pass: every failure with every fault
	Seconds  float64        `json:"seconds"` // all of it
	Attempts int            `json:"attempts"`
	Kinds    map[string]int `json:"kinds"`
	Answers  map[string]int `json:"answers"` // of taps: yours, refused, unknown at first
	Deaths   int            `json:"deaths"`  // at a place that was meant
	Places   int            `json:"places"`  // cells with such a place
	Lost     int            `json:"lost_with_backup"`
	Broken   map[string]int `json:"broken"` // by promise; all zero when it held
	Words    []string       `json:"words"`  // of the breaches
	OK       bool           `json:"ok"`

	breaches []breach
}

func newResult(o Options) Result {
	r := Result{Seed: o.Seed, Matrix: len(rows) * len(faults), Kinds: map[string]int{}, Answers: map[string]int{}, Broken: map[string]int{}}
	for _, p := range promises {
		r.Broken[string(p)] = 0
	}
	return r
}

func (r *Result) add(one report, took time.Duration) {
	r.Cells++
	r.Seconds = took.Round(time.Millisecond).Seconds()
	r.Attempts += one.Attempts
	r.Lost += one.LostWithBackup
	r.Deaths += one.Reached
	if one.plan.place != "" {
		r.Places++
	}
	h := one.history
	h.mu.Lock()
	for k, n := range h.counts {
		r.Kinds[kindNames[k]] += n
	}
	for _, t := range h.taps {
		r.Answers[t.outcome.String()]++
	}
	h.mu.Unlock()
	for _, b := range one.Breaches {
		r.Broken[string(b.promise)]++
		r.Words = append(r.Words, fmt.Sprintf("%s: %s: %s", one.Cell, b.promise, b.words))
	}
	r.breaches = append(r.breaches, one.Breaches...)
}

// tell says a cell in one line, and what broke in as many as it takes.
func (one report) tell(w io.Writer, n int, all Result) {
	death := "a node is killed"
	if p := one.plan; p.place != "" {
		death = fmt.Sprintf("a node dies at %s:%d", p.place, p.pass)
		if one.Reached == 0 {
			death += ", where it never came"
		}
	}
	yours, refused, open := 0, 0, 0
	one.history.mu.Lock()
	for _, t := range one.history.taps {
		switch t.outcome {
		case ok:
			yours++
		case fail:
			refused++
		default:
			open++
		}
	}
	notes := one.history.notes
	one.history.mu.Unlock()
	fmt.Fprintf(w, "chaos: %4d  %-24s %6d attempts in %4.1f s: %d yours, %d refused, %d without an answer; %s. All: %d in %.0f s\n",
		n, one.Cell, one.Attempts, one.Took.Seconds(), yours, refused, open, death, all.Attempts, all.Seconds)
	if len(one.Breaches) == 0 {
		return
	}
	for _, note := range notes {
		fmt.Fprintf(w, "  %s\n", note)
	}
	for i, b := range one.Breaches {
		if i == maxShown {
			fmt.Fprintf(w, "  and %d more\n", len(one.Breaches)-maxShown)
			break
		}
		fmt.Fprintf(w, "BROKEN %s: %s\n", b.promise, b.words)
		if b.hold != (commerce.HoldID{}) {
			fmt.Fprintf(w, "  %s\n", strings.Join(one.history.about(b.hold), "\n  "))
		}
	}
}

// Print says it in words, or as one JSON object.
func (r Result) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	fmt.Fprintf(w, "seed %d: %d cells (the matrix has %d) in %.0f s, %d attempts\n", r.Seed, r.Cells, r.Matrix, r.Seconds, r.Attempts)
	for _, of := range []map[string]int{r.Kinds, r.Answers} {
		fmt.Fprintf(w, "  %s\n", counted(of))
	}
	fmt.Fprintf(w, "  %d nodes died at the place that was meant, in %d cells that meant one; %d acknowledged things went with Postgres' last commits, and their money back\n",
		r.Deaths, r.Places, r.Lost)
	for _, p := range promises {
		fmt.Fprintf(w, "  %6d %s\n", r.Broken[string(p)], p)
	}
	for _, words := range r.Words[:min(len(r.Words), maxShown)] {
		fmt.Fprintf(w, "BROKEN %s\n", words)
	}
	if r.OK {
		_, err := fmt.Fprintln(w, "every promise held")
		return err
	}
	return nil
}

func counted(of map[string]int) string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	return strings.Join(names, ", ")
}
