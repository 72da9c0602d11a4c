package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Bounds of RealtimeOptions, and what they are when nothing is said.
const (
	MaxConnections = 60_000
	DefaultConns   = 10_000
	DefaultIdle    = 18_000
	// DefaultRealtimeSeconds is how long each server is heard in each round.
	DefaultRealtimeSeconds = 3
	MaxRealtimeRounds      = 9
	DefaultRealtimeRounds  = 3

	// spareFiles is what a process has open beside its connections.
	spareFiles = 200
)

// ErrLost is the error of Realtime when somebody was not told everything.
var ErrLost = errors.New("not everybody has heard everything as it was said")

// RealtimeOptions of Realtime.
type RealtimeOptions struct {
	Conns   int // in one room
	Idle    int // connections that say and hear nothing
	Seconds int
	Rounds  int // how often the floor and the hub are measured in turn
	// Only names the parts of RealtimeParts to measure, with commas between them; "" is all.
	Only string
	JSON bool

	URL      string // a server to measure in place of ours; see URLResult
	Hello    string // what its clients say first
	Anywhere bool   // it may be on another machine
	// Progress takes a line for each step; nil: nobody is told.
	Progress io.Writer
}

// RealtimeParts are what can be measured by itself: events written one by one beside the floor; merged; connections that are
// idle; that read nothing; that all speak; and one thread of Go beside two.
var RealtimeParts = []string{"single", "merged", "idle", "stalled", "flood", "cores"}

// wants says whether a part is to be measured.
func (o RealtimeOptions) wants(part string) bool {
	return o.Only == "" || slices.Contains(strings.Split(o.Only, ","), part)
}

// Validate says everything that is wrong with the options.
func (o RealtimeOptions) Validate() error {
	err := errors.Join(within("conns", o.Conns, MaxConnections), within("seconds", o.Seconds, MaxSeconds))
	for part := range strings.SplitSeq(o.Only, ",") {
		if o.Only != "" && !slices.Contains(RealtimeParts, part) {
			err = errors.Join(err, fmt.Errorf("--only knows %s, not %q", strings.Join(RealtimeParts, ", "), part))
		}
	}
	if o.URL == "" {
		if o.Hello != "" || o.Anywhere {
			err = errors.Join(err, errors.New("--hello and --anywhere go with --url"))
		}
		return errors.Join(err, within("idle", o.Idle, MaxConnections), within("rounds", o.Rounds, MaxRealtimeRounds))
	}
	if len(o.Hello) > maxHello {
		err = errors.Join(err, fmt.Errorf("--hello has at most %d bytes", maxHello))
	}
	_, wrong := o.target()
	return errors.Join(err, wrong)
}

// Realtime measures the hub beside the floor on this machine, or with a URL any WebSocket server, and writes what came
// out, as JSON or as a table. It returns ErrLost when something did not come or was not what was said. It pins the whole
// process to cores and leaves it there.
func Realtime(ctx context.Context, o RealtimeOptions, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.URL != "" {
		return o.measureURL(ctx, out)
	}
	if err := roomFor(max(o.Conns, o.Idle)); err != nil {
		return err
	}
	all, err := cores()
	if err != nil {
		return err
	}
	r, err := conduct(ctx, "realtime", o.JSON, out, func(ctx context.Context, core int) (RealtimeResult, error) { return o.measure(ctx, core, all) })
	if err != nil {
		return err
	}
	return r.verdict()
}

// roomFor says whether this process, and a child of it, may have so many sockets open.
func roomFor(conns int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("how many files may be open: %w", err)
	}
	if most := int(min(limit.Max, 1<<30)); conns+spareFiles > most {
		return fmt.Errorf("%d connections need %d open files, and this machine allows a process %d (ulimit -Hn): ask for at most %d with --conns and --idle, or raise it",
			conns, conns+spareFiles, most, max(most-spareFiles, 0))
	}
	return nil
}

func (o RealtimeOptions) measure(ctx context.Context, core int, all []int) (r RealtimeResult, err error) {
	r = RealtimeResult{Connections: o.Conns, IdleConnections: o.Idle, Rounds: o.Rounds, Cores: len(all), only: o.Only}
	var order hubOrder
	if o.wants("single") || o.wants("cores") {
		fmt.Fprintf(o.Progress, "the pace: the floor with %d connections ...\n", o.Conns)
		perSecond, err := pace(ctx, seats{kind: "rawwrite", core: core, most: o.Conns})
		if err != nil {
			return r, err
		}
		order, r.EventsPerSecond = evenly(perSecond, o.Seconds), round(perSecond)
	}
	for _, part := range []struct {
		name    string
		measure func() error
	}{
		{"single", func() error { return o.sideBySide(ctx, core, order, &r) }},
		{"merged", func() error { return o.merged(ctx, core, &r) }},
		{"idle", func() error { return o.bothIdle(ctx, core, &r) }},
		{"stalled", func() error {
			fmt.Fprintf(o.Progress, "%d connections that read nothing ...\n", o.Conns)
			r.Stalled, err = o.stalled(ctx, core)
			r.Lost += r.Stalled.Lost
			return err
		}},
		{"flood", func() error { return o.flood(ctx, core, &r) }},
		{"cores", func() error { return o.bothCores(ctx, all, order, &r) }}, // the last, for it pins no more
	} {
		if !o.wants(part.name) {
			continue
		}
		if err := part.measure(); err != nil {
			return r, fmt.Errorf("%s: %w", part.name, err)
		}
	}
	r.finish()
	return r, nil
}

func (o RealtimeOptions) merged(ctx context.Context, core int, r *RealtimeResult) error {
	fmt.Fprintf(o.Progress, "%d changes a second, merged ...\n", changesASec)
	h, t, err := window(ctx, seats{kind: "hub", core: core, most: o.Conns, keyed: true}, merging(o.Seconds))
	if err == nil {
		r.merge(h, t)
	}
	return err
}

func (o RealtimeOptions) bothIdle(ctx context.Context, core int, r *RealtimeResult) (err error) {
	fmt.Fprintf(o.Progress, "%d idle connections of the hub ...\n", o.Idle)
	if r.IdleEach, err = o.idle(ctx, "hub", core); err != nil {
		return err
	}
	r.KBPerIdle = round(r.IdleEach.RSS / 1024)
	fmt.Fprintf(o.Progress, "%d idle connections of the floor ...\n", o.Idle)
	r.FloorIdleEach, err = o.idle(ctx, "rawwrite", core)
	return err
}

// sideBySide measures floor and hub in turn, each on a core of its own.
func (o RealtimeOptions) sideBySide(ctx context.Context, core int, order hubOrder, r *RealtimeResult) error {
	for n := range o.Rounds {
		for _, kind := range []string{"rawwrite", "hub"} {
			fmt.Fprintf(o.Progress, "round %d of %d: the %s, %.1f events a second ...\n", n+1, o.Rounds, kindNames[kind], r.EventsPerSecond)
			h, t, err := window(ctx, seats{kind: kind, core: core, most: o.Conns}, order)
			if err != nil {
				return err
			}
			r.side(kind).add(h)
			r.judge(h, t)
		}
	}
	return nil
}

var kindNames = map[string]string{"rawwrite": "floor", "hub": "hub"}

// bothCores measures the hub with one and with two threads that run Go, in turn. Server and load share all cores in both.
func (o RealtimeOptions) bothCores(ctx context.Context, all []int, order hubOrder, r *RealtimeResult) error {
	if err := pinAll(all...); err != nil {
		return err
	}
	for n := range o.Rounds {
		for i, side := range []*side{&r.one, &r.two} {
			fmt.Fprintf(o.Progress, "round %d of %d: the hub with GOMAXPROCS=%d on all cores ...\n", n+1, o.Rounds, i+1)
			s := seats{kind: "hub", core: anyCore, most: o.Conns, env: []string{fmt.Sprintf("GOMAXPROCS=%d", i+1)}}
			h, t, err := window(ctx, s, order)
			if err != nil {
				return err
			}
			side.add(h)
			r.judge(h, t)
		}
	}
	return nil
}

// side is the rounds of one server.
type side struct {
	perMessage, busy, p50, p99 []float64
	seconds                    []float64
}

func (s *side) add(h heard) {
	p := percentiles(h.delivered)
	s.perMessage = append(s.perMessage, h.perMessage())
	s.busy = append(s.busy, h.busy())
	s.p50, s.p99 = append(s.p50, p.P50), append(s.p99, p.P99)
	s.seconds = append(s.seconds, h.lasts.Seconds())
}

func (s *side) delivery() Delivery { return Delivery{round(median(s.p50)), round(median(s.p99))} }

// spread is by how much the dearest round is above the cheapest.
func (s *side) spread() float64 {
	if len(s.perMessage) == 0 {
		return 0
	}
	return ratio(slices.Max(s.perMessage), slices.Min(s.perMessage))
}
