package chaos

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// row is one of the nineteen failures: how it is brought about while a crowd buys.
type row struct {
	number  int
	failure string
	// places are where the program may die, of commerce/crash; it dies at one of them, or, where there is none, at a moment.
	places []string
	// lines says how many requests of a hundred lose their way there, or their answer.
	lines lines
	bank  bankFaults
	hooks hookFaults
	// script is what else happens; it returns when it is over.
	script func(*cell) error
}

// lines says how many requests of a hundred are cut.
type lines struct{ before, after int }

// rows are the failures of which there is something to fail. 17, a crash in a refund, waits for refunds: there are none.
var rows = []row{
	{number: 1, failure: "request lost before the server", lines: lines{before: 30}},
	{number: 2, failure: "node dies after admit, before Postgres", places: []string{"stock.admitted"}},
	{number: 3, failure: "COMMIT outcome unknown", places: []string{"stock.committed"}},
	{number: 4, failure: "reply lost", lines: lines{after: 30}},
	{number: 5, failure: "Redis killed or flushed", script: (*cell).redisLost},
	{number: 6, failure: "Redis failover loses decrements", script: (*cell).redisBackInTime},
	{number: 7, failure: "Redis down long", script: (*cell).redisLongAway},
	{number: 8, failure: "Postgres down", script: (*cell).postgresAway},
	{number: 9, failure: "expiry races the pay tap", places: []string{"checkout.begun"}, script: (*cell).timeFlies},
	{number: 10, failure: "dies after the intent row, before the call", places: []string{"checkout.begun", "checkout.driven"}},
	{
		number: 11, failure: "call sent, answer lost or 500", places: []string{"checkout.authorised", "checkout.waits", "checkout.declined"},
		bank: bankFaults{breaks: 10, breaksAfter: 10, cutAfter: 10},
	},
	{
		number: 12, failure: "webhook early, twice, out of order", places: []string{"payment.received", "checkout.noticed"},
		bank: bankFaults{slow: 30}, hooks: hookFaults{twice: 30, late: 30, unheard: 20},
	},
	{
		number: 13, failure: "authorised but stock gone (admin edit)", places: []string{"checkout.void_called"},
		bank: bankFaults{slow: 50}, script: (*cell).wrongHand,
	},
	{
		number: 14, failure: "dies after confirm, before capture",
		places: []string{"checkout.confirmed", "checkout.capture_called", "checkout.captured", "outbox.effect_done"},
	},
	{number: 15, failure: "method without manual capture", bank: bankFaults{atOnce: true, slow: 30}, script: (*cell).wrongHand},
	{number: 16, failure: "webhooks lost for days", hooks: hookFaults{lost: 100}},
	{number: 18, failure: "clock skew at a drop", script: (*cell).drop},
	{number: 19, failure: "Postgres failover loses a commit", script: (*cell).backInTime},
}

// fault is what else goes wrong in a cell: a column of the matrix.
type fault struct {
	name   string
	bank   bankFaults
	strike func(*cell) error
}

var faults = []fault{
	{name: "calm"},
	{name: "redis-killed", strike: (*cell).redisKilled},
	{name: "redis-flushed", strike: (*cell).redisFlushed},
	{name: "redis-paused", strike: (*cell).redisPaused},
	{name: "postgres-killed", strike: (*cell).postgresKilled},
	{name: "postgres-paused", strike: (*cell).postgresPaused},
	{name: "sandbox-misbehaving", strike: (*cell).sandboxKilled, bank: bankFaults{breaks: 8, breaksAfter: 8, cutAfter: 8, silent: 2, slow: 10, garbled: 4}},
}

// Cell is one failure together with one fault.
type Cell struct {
	Row   int    // index of rows
	Fault int    // index of faults
	Pass  int    // how often the matrix was gone through before
	Seed  uint64 // of all that is drawn in it
}

// Name tells a cell from the others of its run: the failure's number, the fault, and in later passes which one.
func (c Cell) Name() string {
	name := strconv.Itoa(rows[c.Row].number) + "/" + faults[c.Fault].name
	if c.Pass > 0 {
		name += "/" + strconv.Itoa(c.Pass)
	}
	return name
}

// named finds the place of a cell by its name.
func named(name string) (Cell, error) {
	parts := strings.Split(name, "/")
	c := Cell{Row: -1, Fault: -1}
	if len(parts) == 2 || len(parts) == 3 {
		for i, r := range rows {
			if strconv.Itoa(r.number) == parts[0] {
				c.Row = i
			}
		}
		for i, f := range faults {
			if f.name == parts[1] {
				c.Fault = i
			}
		}
	}
	if len(parts) == 3 {
		pass, err := strconv.Atoi(parts[2])
		if err != nil || pass < 0 {
			c.Row = -1
		}
		c.Pass = pass
	}
	if c.Row < 0 || c.Fault < 0 {
		return Cell{}, fmt.Errorf("there is no cell %.60q: it is like 14/redis-killed, of failures 1 to 19 and the faults %s", name, faultNames())
	}
	return c, nil
}

func faultNames() string {
	names := make([]string, 0, len(faults))
	for _, f := range faults {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// cellAt is the n-th cell of a seed. Each pass goes through the whole matrix in an order of its own. What happens in a cell
// hangs on the seed and its name alone, so that it can be brought again without the others.
func cellAt(seed uint64, n int) Cell {
	size := len(rows) * len(faults)
	pass := n / size
	place := rand.New(rand.NewPCG(seed, uint64(pass))).Perm(size)[n%size]
	return Cell{Row: place / len(faults), Fault: place % len(faults), Pass: pass}.of(seed)
}

// of gives a cell what it draws from.
func (c Cell) of(seed uint64) Cell {
	place := uint64(c.Pass)<<16 | uint64(rows[c.Row].number)<<8 | uint64(c.Fault)
	c.Seed = rand.New(rand.NewPCG(seed, place)).Uint64()
	return c
}

// The streams of draws of a cell.
const (
	streamFaults = iota
	streamBank
	streamHooks
	streamBuyers // and one more for each buyer
)

func (c Cell) draws(stream int) *rand.Rand { return rand.New(rand.NewPCG(c.Seed, uint64(stream))) }

// plan is when things happen in a cell, from its beginning.
type plan struct {
	place    string // where the node dies, or "" for a moment
	pass     int    // and at which pass
	victim   int    // the node
	dies     time.Duration
	strikes  time.Duration // of the fault
	lasts    time.Duration // of what is taken away for a while
	scripted time.Duration // when the row's script begins
	flips    uint64        // what scripts choose by
}

const maxCrashPass = 12

func newPlan(c Cell, load time.Duration) plan {
	rng := c.draws(streamFaults)
	part := func(from, to float64) time.Duration {
		return time.Duration((from + rng.Float64()*(to-from)) * float64(load))
	}
	p := plan{pass: 1 + rng.IntN(maxCrashPass), victim: rng.IntN(nodeCount), dies: part(0.2, 0.7), strikes: part(0.1, 0.5), lasts: part(0.15, 0.35)}
	p.scripted, p.flips = part(0.1, 0.3), rng.Uint64()
	if places := rows[c.Row].places; len(places) > 0 {
		p.place, p.dies = places[rng.IntN(len(places))], part(0, 0.1)
	}
	return p
}
