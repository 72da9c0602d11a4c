package bench

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

const (
	show         = "bench"
	liveWithin   = 15 * time.Second
	playWithin   = 20 * time.Second
	lookEvery    = 20 * time.Millisecond
	warmFor      = 500 * time.Millisecond
	settleFor    = 3 * time.Second // joiners are brought to the live edge within it
	quietFor     = 200 * time.Millisecond
	joinsAtOnce  = 8
	maxForwarded = 1 << 20 // times kept
)

// point is what has been used and seen up to a moment.
type point struct {
	at    time.Time
	cpu   time.Duration
	stats load.Stats
}

// span is what lies between two points.
type span struct {
	lasts, cpu   time.Duration
	video, audio int64
	lost         int64
}

func (a point) to(b point) span {
	return span{lasts: b.at.Sub(a.at), cpu: b.cpu - a.cpu, video: b.stats.Video - a.stats.Video,
		audio: b.stats.Audio - a.stats.Audio, lost: b.stats.Lost - a.stats.Lost}
}

// measured is one run: what the server used in each of its windows.
type measured struct {
	viewers       int
	joining       span
	full, picture span  // video and sound, and then video alone
	memory        int64 // bytes that the viewers added
	goroutines    int   // that they added
	stats         load.Stats
	forward       []time.Duration // sorted
	wrong         int64           // packets with another content than was sent
}

// run is one server with its publisher and its viewers, while it is measured.
type run struct {
	*stage
	crowd   *load.Crowd
	viewers int

	mu        sync.Mutex
	measuring bool
	forward   []time.Duration
	wrong     int64
}

// measure starts a server of a kind, lets viewers join and reads its clocks. window is how long the full window lasts.
func measure(ctx context.Context, kind string, core, viewers int, window time.Duration) (m measured, err error) {
	r := &run{viewers: viewers}
	if r.stage, err = openStage(ctx, kind, core); err != nil {
		return m, err
	}
	defer func() {
		err = errors.Join(err, r.close())
		if r.crowd != nil {
			r.crowd.Close()
		}
	}()
	r.crowd, err = load.New(load.Config{URL: r.whep(), Viewers: viewers, AtOnce: joinsAtOnce, Retry: true, OnPacket: r.take})
	if err != nil {
		return m, err
	}
	if err := r.warm(ctx); err != nil {
		return m, err
	}
	return r.windows(ctx, window)
}

func (r *run) windows(ctx context.Context, window time.Duration) (m measured, err error) {
	m.viewers = r.viewers
	memory, goroutines, err := r.state(ctx)
	if err != nil {
		return m, err
	}
	if m.joining, err = r.between(func() error { return allPlay(ctx, r.crowd) }); err != nil {
		return m, err
	}
	if err := load.Rest(ctx, min(settleFor, max(window, warmFor))); err != nil {
		return m, err
	}
	r.count(true)
	m.full, err = r.between(func() error { return load.Rest(ctx, window) })
	r.count(false)
	if err != nil {
		return m, err
	}
	used, more, err := r.state(ctx)
	if err != nil {
		return m, err
	}
	m.memory, m.goroutines = used-memory, more-goroutines
	r.source.deaf.Store(true)
	if err := load.Rest(ctx, quietFor); err != nil {
		return m, err
	}
	if m.picture, err = r.between(func() error { return load.Rest(ctx, window) }); err != nil {
		return m, err
	}
	m.stats = r.crowd.Stats()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.forward)
	m.forward, m.wrong = r.forward, r.wrong
	return m, nil
}

func (r *run) between(do func() error) (span, error) {
	before, err := r.point()
	if err != nil {
		return span{}, err
	}
	if err := do(); err != nil {
		return span{}, err
	}
	after, err := r.point()
	return before.to(after), err
}

func (r *run) point() (point, error) {
	cpu, err := cpuTime(r.child.PID())
	if err != nil {
		return point{}, errors.Join(err, r.child.Err())
	}
	return point{time.Now(), cpu, r.crowd.Stats()}, nil
}

func (r *run) state(ctx context.Context) (memory int64, goroutines int, err error) {
	var s state
	if err := r.child.ask(ctx, http.MethodGet, "/state", nil, &s); err != nil {
		return 0, 0, err
	}
	memory, err = resident(r.child.PID())
	return memory, s.Goroutines, err
}

func (r *run) count(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measuring = on
}

// take is called for each packet that was decrypted.
func (r *run) take(p load.Packet) {
	made, ok := read(p.Payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !ok {
		r.wrong++
	} else if r.measuring && !p.Early && p.Video && len(r.forward) < maxForwarded {
		r.forward = append(r.forward, p.At.Sub(clock)-made)
	}
}
