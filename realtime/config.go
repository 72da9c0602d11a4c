package realtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Hub is made of. Bus and Snapshot are needed, the rest has
// defaults, which a zero value asks for.
type Config struct {
	Bus Source
	// Snapshot reads the whole public state of a room, each event at the
	// version the state was read at. It is asked once when a room opens and
	// again after the bus has lost its memory.
	Snapshot func(ctx context.Context, room RoomID) ([]Event, error)
	// Withdrawn reads which kept events an event of the state takes back: gone
	// is asked about each; nil: none is. ok is false for an event that is not
	// about that. The newest such event counts. nil: nothing is taken back.
	Withdrawn func(Event) (gone func(kept Event) bool, ok bool)
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	Now       func() time.Time

	Writers       int           // goroutines that write to sockets; default: one per core
	Tick          time.Duration // how long latest-value and sampled events are merged
	Linger        time.Duration // how long an empty room stays
	CountEvery    time.Duration // how often the bus is told how many watch
	RingFrames    int           // frames a room remembers for slow and returning viewers
	RingBytes     int
	MaxConns      int // on this node
	MaxPerAddress int // viewers from one network address
	MaxRooms      int
	WriteStall    time.Duration // how long a stalled socket may take no byte
	PingEvery     time.Duration // silence after which a viewer is asked for a sign of life
	DeadAfter     time.Duration // silence after which a viewer is gone
}

const (
	defaultTick          = 100 * time.Millisecond
	defaultLinger        = 30 * time.Second
	defaultCountEvery    = time.Second // the bus forgets after 5
	defaultRingFrames    = 1024
	defaultRingBytes     = 1 << 20
	defaultMaxConns      = 20_000
	defaultMaxPerAddress = 2_000 // a university or a phone network stands behind one address
	defaultMaxRooms      = 5_000
	defaultWriteStall    = 10 * time.Second
	defaultPingEvery     = 25 * time.Second
	defaultDeadAfter     = 65 * time.Second
)

// Validate fills nothing in; it says everything that is wrong at once.
func (c Config) Validate() error {
	var wrong []error
	if c.Bus == nil {
		wrong = append(wrong, errors.New("a Bus is needed"))
	}
	if c.Snapshot == nil {
		wrong = append(wrong, errors.New("a Snapshot is needed"))
	}
	for name, n := range map[string]int64{
		"Writers": int64(c.Writers), "Tick": int64(c.Tick), "Linger": int64(c.Linger), "CountEvery": int64(c.CountEvery),
		"RingFrames": int64(c.RingFrames),
		"RingBytes":  int64(c.RingBytes), "MaxConns": int64(c.MaxConns), "MaxPerAddress": int64(c.MaxPerAddress),
		"MaxRooms": int64(c.MaxRooms), "WriteStall": int64(c.WriteStall), "PingEvery": int64(c.PingEvery), "DeadAfter": int64(c.DeadAfter),
	} {
		if n < 0 {
			wrong = append(wrong, fmt.Errorf("%s is negative", name))
		}
	}
	if full := c.withDefaults(); full.DeadAfter <= full.PingEvery {
		wrong = append(wrong, errors.New("DeadAfter must be longer than PingEvery: nobody could answer in time"))
	}
	if err := errors.Join(wrong...); err != nil {
		return fmt.Errorf("realtime config: %w", err)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	orInt := func(p *int, fallback int) {
		if *p == 0 {
			*p = fallback
		}
	}
	orTime := func(p *time.Duration, fallback time.Duration) {
		if *p == 0 {
			*p = fallback
		}
	}
	orInt(&c.Writers, runtime.GOMAXPROCS(0))
	orInt(&c.RingFrames, defaultRingFrames)
	orInt(&c.RingBytes, defaultRingBytes)
	orInt(&c.MaxConns, defaultMaxConns)
	orInt(&c.MaxPerAddress, defaultMaxPerAddress)
	orInt(&c.MaxRooms, defaultMaxRooms)
	orTime(&c.Tick, defaultTick)
	orTime(&c.Linger, defaultLinger)
	orTime(&c.CountEvery, defaultCountEvery)
	orTime(&c.WriteStall, defaultWriteStall)
	orTime(&c.PingEvery, defaultPingEvery)
	orTime(&c.DeadAfter, defaultDeadAfter)
	return c
}
