package chaos

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/crash"
)

// elsewhere are the places that belong to none of the failures, or cannot be reached by the nodes of a cell: cmd/rialto's own
// test dies at each of them.
var elsewhere = []string{"mail.accepted"} // nodes have no mail server here

func TestTheMatrixHasEveryFailureAndEveryPlace(t *testing.T) {
	var numbers []int
	places := map[string]bool{}
	for _, r := range rows {
		numbers = append(numbers, r.number)
		for _, p := range r.places {
			places[p] = true
		}
		if r.failure == "" || len(r.places) == 0 && r.script == nil && r.lines == (lines{}) && r.bank == (bankFaults{}) && r.hooks == (hookFaults{}) {
			t.Errorf("failure %d is not brought about", r.number)
		}
	}
	want := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19} // there are no refunds to crash in: 17
	if !slices.Equal(numbers, want) {
		t.Errorf("failures %v, want %v", numbers, want)
	}
	for _, p := range elsewhere {
		if places[p] {
			t.Errorf("%s is in the matrix", p)
		}
		places[p] = true
	}
	if got, want := slices.Sorted(maps.Keys(places)), slices.Sorted(maps.Keys(crash.Names)); !slices.Equal(got, want) {
		t.Errorf("it dies at %q; the places are %q", got, want)
	}
	for _, r := range rows {
		for _, f := range faults {
			b := r.bank.add(f.bank)
			for what, sum := range map[string]int{"calls": b.breaks + b.breaksAfter + b.cutAfter + b.silent + b.garbled + b.slow,
				"webhooks": r.hooks.lost + r.hooks.twice + r.hooks.late + r.hooks.unheard, "lines": r.lines.before + r.lines.after} {
				if sum > 100 {
					t.Errorf("%d/%s: %d of a hundred %s go wrong", r.number, f.name, sum, what)
				}
			}
		}
	}
}

func TestAPassGoesThroughTheWholeMatrix(t *testing.T) {
	size := len(rows) * len(faults)
	for pass := range 2 {
		seen := map[string]bool{}
		for n := range size {
			c := cellAt(7, pass*size+n)
			if c.Pass != pass {
				t.Fatalf("cell %d is of pass %d", pass*size+n, c.Pass)
			}
			seen[c.Name()] = true
			// It can be brought again by its name alone.
			again, err := named(c.Name())
			if err != nil || again.of(7) != c {
				t.Fatalf("%s: %+v %v, was %+v", c.Name(), again.of(7), err, c)
			}
		}
		if len(seen) != size {
			t.Errorf("pass %d has %d cells of %d", pass, len(seen), size)
		}
	}
	if cellAt(7, 0) == cellAt(7, size) || cellAt(7, 0).Seed == cellAt(8, 0).Seed {
		t.Error("passes and seeds are alike")
	}
}

func TestCellsByName(t *testing.T) {
	for _, bad := range []string{"", "1", "17/calm", "20/calm", "1/fire", "1/calm/x", "1/calm/-1", "1/calm/1/1", "x/calm"} {
		if c, err := named(bad); err == nil {
			t.Errorf("%q is %+v", bad, c)
		}
	}
	if c, err := named("14/redis-killed/3"); err != nil || rows[c.Row].number != 14 || faults[c.Fault].name != "redis-killed" || c.Pass != 3 {
		t.Errorf("%+v %v", c, err)
	}
}

// The same seed brings the same plan and the same wishes of each buyer.
func TestOneSeedDecidesAll(t *testing.T) {
	draw := func(seed uint64) (all []any) {
		c := cellAt(seed, 3)
		all = append(all, c, newPlan(c, loadFor))
		for b := range 3 {
			rng := c.draws(streamBuyers + b)
			for range 50 {
				all = append(all, newErrand(rng, lines{before: 20, after: 20}))
			}
		}
		return all
	}
	one, same, other := draw(5), draw(5), draw(6)
	if !reflect.DeepEqual(one, same) {
		t.Error("one seed, two plans")
	}
	if reflect.DeepEqual(one[1:], other[1:]) {
		t.Error("two seeds, one plan")
	}
}

func TestErrandsAreOfAllKinds(t *testing.T) {
	rng := cellAt(1, 0).draws(streamBuyers)
	var count [deeds]int
	cuts, cards, more := map[cut]int{}, map[string]bool{}, [poolCount]int{}
	for range 3000 {
		e := newErrand(rng, lines{before: 10, after: 10})
		count[e.deed]++
		for _, c := range e.cuts {
			cuts[c]++
		}
		cards[e.card.does] = true
		more[e.more]++
		if e.quantity < 1 || e.times < 1 || e.times > maxTaps || e.pool < 0 || e.pool >= poolCount || e.node < 0 || e.node >= nodeCount || e.rest >= mostRest {
			t.Fatalf("%+v", e)
		}
	}
	sum := 0
	for d, n := range count {
		sum += deedShares[d]
		if n == 0 {
			t.Errorf("nobody does %d", d)
		}
	}
	if sum != 100 {
		t.Errorf("the shares make %d", sum)
	}
	if cuts[whole] == 0 || cuts[there] == 0 || cuts[andBack] == 0 || len(cards) != 8 || more[1] == 0 || more[2] == 0 || more[0] < more[1]+more[2] {
		t.Errorf("%v, %d cards, %v", cuts, len(cards), more)
	}
}

func TestPlansAreWithinTheLoad(t *testing.T) {
	for n := range len(rows) * len(faults) {
		c := cellAt(2, n)
		p := newPlan(c, loadFor)
		if p.pass < 1 || p.pass > maxCrashPass || p.victim < 0 || p.victim >= nodeCount || p.dies < 0 || p.dies >= loadFor || p.strikes+p.lasts >= loadFor || p.scripted >= loadFor {
			t.Errorf("%s: %+v", c.Name(), p)
		}
		if places := rows[c.Row].places; (len(places) > 0) != (p.place != "") || p.place != "" && !slices.Contains(places, p.place) {
			t.Errorf("%s dies at %q", c.Name(), p.place)
		}
	}
}

func TestOptionLimits(t *testing.T) {
	good := Options{Buyers: MaxBuyers, Minutes: MaxMinutes, Attempts: MaxAttempts, Cells: MaxCells, Program: "rialto", Only: "1/calm"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(*Options){
		"--buyers is 2 to 1000, not 1":            func(o *Options) { o.Buyers = 1 },
		"--buyers is 2 to 1000, not 1001":         func(o *Options) { o.Buyers = MaxBuyers + 1 },
		"--minutes is 0 to 1440, not 1441":        func(o *Options) { o.Minutes = MaxMinutes + 1 },
		"--attempts is 0 to 1000000000, not -1":   func(o *Options) { o.Attempts = -1 },
		"--cells is 0 to 100000, not 100001":      func(o *Options) { o.Cells = MaxCells + 1 },
		`there is no cell "17/calm"`:              func(o *Options) { o.Only = "17/calm" },
		"the program to be killed is missing":     func(o *Options) { o.Program = "" },
		"--minutes is 0 to 1440, not -1\n--cells": func(o *Options) { o.Minutes, o.Cells = -1, -1 },
	} {
		o := good
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestWhenARunHasHadEnough(t *testing.T) {
	size := len(rows) * len(faults)
	for _, c := range []struct {
		o               Options
		cells, attempts int
		took            time.Duration
		want            bool
	}{
		{Options{Cells: 2}, 1, 1e9, time.Hour, false}, {Options{Cells: 2, Minutes: 30}, 2, 0, 0, true},
		{Options{Only: "1/calm"}, 0, 0, 0, false}, {Options{Only: "1/calm"}, 1, 0, 0, true},
		{Options{}, size - 1, 1e9, time.Hour, false}, {Options{}, size, 0, 0, true},
		{Options{Minutes: 30}, size, 0, 30*time.Minute - 1, false}, {Options{Minutes: 30}, size, 0, 30 * time.Minute, true},
		{Options{Attempts: 10}, size, 9, time.Hour, false}, {Options{Attempts: 10}, size, 10, 0, true},
	} {
		if got := c.o.done(c.cells, c.attempts, c.took); got != c.want {
			t.Errorf("%+v after %d cells, %d attempts, %s: %v", c.o, c.cells, c.attempts, c.took, got)
		}
	}
}
