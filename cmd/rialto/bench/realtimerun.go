package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load/frames"
)

const (
	// nothingFor is how long nothing may come before what lacks is taken for lost.
	nothingFor = 10 * time.Second
	// lookForAll is how often it is asked whether everybody has everything.
	lookForAll = 5 * time.Millisecond
	// quietHub is what a hub is given after joins, before anything is measured.
	quietHub = 300 * time.Millisecond
)

// audience is a server child and those who listen to it.
type audience struct {
	kind  string
	child *child
	crowd *frames.Crowd
	tally *ledger
	said  hubDone
	// beside is called again and again while the audience listens; nil: nothing is done beside it.
	beside func()
}

// seats says what an audience is like.
type seats struct {
	kind       string // of child
	core       int
	env        []string
	most       int  // clients
	keyed      bool // latest values will be said
	readBuffer int
}

func openAudience(ctx context.Context, s seats) (a *audience, err error) {
	a = &audience{kind: s.kind, tally: newLedger(s.most, s.keyed)}
	if a.child, err = startChild(ctx, s.kind, s.core, s.env...); err != nil {
		return nil, err
	}
	at, err := url.Parse(a.child.url)
	if err != nil {
		return nil, errors.Join(err, a.child.Kill())
	}
	addr, err := netip.ParseAddrPort(at.Host)
	if err != nil {
		return nil, errors.Join(err, a.child.Kill())
	}
	if a.crowd, err = frames.New(a.clients(addr, s.readBuffer)); err != nil {
		return nil, errors.Join(err, a.child.Kill())
	}
	return a, nil
}

// clients say join to whoever listens there.
func (a *audience) clients(addr netip.AddrPort, readBuffer int) frames.Config {
	return frames.Config{
		Addr: addr, Host: addr.String(), Path: "/ws", Hello: []byte(`{"t":"join","room":"` + string(benchRoom) + `"}`),
		ReadBuffer: readBuffer, Take: a.tally.take,
	}
}

// close ends all. The server goes first: thousands of goodbyes would measure nothing.
func (a *audience) close() error {
	err := a.child.Kill()
	a.crowd.Close()
	return err
}

// fill brings n more in and waits until all have joined.
func (a *audience) fill(ctx context.Context, n int) error {
	want := a.tally.joined + n
	a.tally.base = a.said
	if err := a.crowd.Open(ctx, n); err != nil {
		return fmt.Errorf("%s: %w", a.kind, errors.Join(err, a.child.Err()))
	}
	since, seen := time.Now(), a.tally.joined
	err := a.crowd.Read(ctx, func() bool {
		if a.tally.joined != seen {
			seen, since = a.tally.joined, time.Now()
		}
		return seen == want || time.Since(since) > nothingFor
	})
	if s := a.crowd.Stats(); err == nil && (seen != want || len(s.Failed) > 0 || s.Ended > 0) {
		err = fmt.Errorf("%d of %d have joined; failed: %v, ended: %d with %v", seen, want, s.Failed, s.Ended, s.Codes)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", a.kind, errors.Join(err, a.child.Err()))
	}
	return nil
}

// settle has the audience listen for a while.
func (a *audience) settle(ctx context.Context, d time.Duration) error {
	until := time.Now().Add(d)
	return a.crowd.Read(ctx, func() bool { return !time.Now().Before(until) })
}

// heard is what a server used to say something, and what came of it.
type heard struct {
	lasts, cpu time.Duration
	messages   int64
	events     int64
	wanted     int64 // events that all together should have had
	writes     int64 // system calls
	delivered  []time.Duration
}

// perMessage is microseconds of processor time.
func (h heard) perMessage() float64 { return micros(h.cpu) / float64(max(h.messages, 1)) }

func (h heard) perEvent() float64 { return micros(h.cpu) / float64(max(h.wanted, 1)) }

func (h heard) busy() float64 { return h.cpu.Seconds() / max(h.lasts.Seconds(), 1e-9) }

// say has the server say what order asks for, and listens until everybody has all of it or nothing comes any more.
func (a *audience) say(ctx context.Context, order hubOrder) (h heard, err error) {
	a.tally.start()
	began, cpu, err := a.clock()
	if err != nil {
		return h, err
	}
	_, calls, err := written(a.child.PID())
	if err != nil {
		return h, err
	}
	if err := a.listen(ctx, order); err != nil {
		return h, fmt.Errorf("%s: %w", a.kind, errors.Join(err, a.child.Err()))
	}
	ended, after, err := a.clock()
	if err != nil {
		return h, err
	}
	_, callsAfter, err := written(a.child.PID())
	return heard{lasts: ended.Sub(began), cpu: after - cpu, messages: a.tally.messages, events: a.tally.events,
		wanted: int64(order.Events) * int64(a.tally.joined), writes: callsAfter - calls, delivered: a.tally.sorted()}, err
}

func (a *audience) clock() (time.Time, time.Duration, error) {
	cpu, err := cpuTime(a.child.PID())
	if err != nil {
		err = errors.Join(err, a.child.Err())
	}
	return time.Now(), cpu, err
}

// listen is say without its measure.
func (a *audience) listen(ctx context.Context, order hubOrder) error {
	answer := make(chan error, 1)
	go func() { answer <- a.child.ask(ctx, http.MethodPost, "/publish", order, &a.said) }() // waited for below
	answered := false
	err := a.crowd.Read(ctx, func() bool {
		if a.beside != nil {
			a.beside()
		}
		select {
		case err := <-answer:
			answer <- err
			answered = true
		default:
		}
		return answered
	})
	if asked := <-answer; err != nil || asked != nil {
		return errors.Join(err, asked)
	}
	since, seen, looked := time.Now(), int64(-1), time.Time{}
	return a.crowd.Read(ctx, func() bool {
		if seen != a.tally.messages {
			seen, since = a.tally.messages, time.Now()
		}
		if time.Since(looked) < lookForAll {
			return false
		}
		looked = time.Now()
		return a.tally.behind(a.said) == 0 || time.Since(since) > nothingFor
	})
}

// holding is what a child has. Its garbage is collected first if that is asked.
func (a *audience) holding(ctx context.Context, collect bool) (rss int64, s state, err error) {
	path := "/state"
	if collect {
		path += "?gc=1"
	}
	if err := a.child.ask(ctx, http.MethodGet, path, nil, &s); err != nil {
		return 0, s, errors.Join(err, a.child.Err())
	}
	rss, err = resident(a.child.PID())
	return rss, s, err
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
