package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

// Bounds of JoinsOptions, and what they are when nothing is said.
const (
	MaxEarly            = 1000
	DefaultEarly        = 100
	MaxJoins            = 2000
	DefaultJoins        = 1000
	DefaultJoinsSeconds = 10

	playingWithin = 15 * time.Second // of the first request
	// lagAfter is how long after its request a joiner is compared with who was there before, and lookFor for how long
	// before that all its packets are read.
	lagAfter = 3 * time.Second
	lookFor  = time.Second
)

// JoinsOptions of Joins.
type JoinsOptions struct {
	Viewers int // who watch already
	Joins   int // who come
	Seconds int // in which they come, evenly
	JSON    bool
	// Progress takes a line for each step; nil: nobody is told.
	Progress io.Writer
}

// Validate says everything that is wrong with the options.
func (o JoinsOptions) Validate() error {
	return errors.Join(within("viewers", o.Viewers, MaxEarly), within("joins", o.Joins, MaxJoins), within("seconds", o.Seconds, MaxSeconds))
}

// JoinsResult is what `rialto bench joins --json` prints: one object.
type JoinsResult struct {
	Viewers int     `json:"viewers"`
	Joins   int     `json:"joins"`
	Seconds float64 `json:"seconds"` // in which they came

	Admitted int `json:"admitted"` // have a session, those who came back for it included
	Refused  int `json:"refused"`  // told 503 at first; as pages do, they come back when they were told to
	GaveUp   int `json:"gave_up"`  // were told so until they had enough
	Failed   int `json:"failed"`   // anything else
	Playing  int `json:"playing"`  // had their first picture within 15 s of the first request of all

	FirstPicture Percentiles `json:"first_picture_ms"` // from the request that was admitted to a whole keyframe
	// Lag is how far behind the newest media of who watched before that of a joiner was, 3 s after its request.
	Lag         Percentiles `json:"lag_ms"`
	LagMax      float64     `json:"lag_max_ms"`
	LagMeasured int         `json:"lag_measured"` // joiners that had media then

	EarlyLost      int64              `json:"early_packets_lost"`      // by who watched before
	EarlyEnded     int                `json:"early_ended"`             // sessions of theirs that ended
	ReceiversFull  int64              `json:"datagrams_not_taken"`     // dropped at full sockets of this machine, so not of the server's making
	ServerDropped  map[string]float64 `json:"server_dropped"`          // packets, by reason
	KeyframesAsked float64            `json:"keyframe_requests_per_s"` // that reached the publisher
	CPUPerJoin     float64            `json:"cpu_ms_per_join"`         // what the time of joining has above the packets sent in it
	CPUPerPacket   float64            `json:"cpu_us_per_packet"`       // with all of them, once they have settled; picture and sound
	CoreBusy       float64            `json:"core_busy"`               // while they joined
}

// Joins measures how a running show takes a crowd that joins, and writes one JoinsResult. It pins the whole process to a
// core and leaves it there.
func Joins(ctx context.Context, o JoinsOptions, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	_, err := conduct(ctx, "joins", o.JSON, out, o.measure)
	return err
}

// joins is a run.
type joins struct {
	*stage
	options JoinsOptions
	early   *load.Crowd
	crowd   *load.Crowd
	lags    lags
}

func (o JoinsOptions) measure(ctx context.Context, core int) (r JoinsResult, err error) {
	j := &joins{options: o}
	if j.stage, err = openStage(ctx, "relay", core); err != nil {
		return r, err
	}
	defer func() {
		err = errors.Join(err, j.close())
		for _, c := range []*load.Crowd{j.early, j.crowd} {
			if c != nil {
				c.Close()
			}
		}
	}()
	if err := j.warm(ctx); err != nil {
		return r, err
	}
	fmt.Fprintf(o.Progress, "%d viewers watch ...\n", o.Viewers)
	j.early, err = load.New(load.Config{URL: j.whep(), Viewers: o.Viewers, AtOnce: joinsAtOnce, Retry: true, OnPacket: j.lags.early,
		Look: func(viewer int, _ time.Duration) bool { return viewer == 0 }})
	if err != nil {
		return r, err
	}
	if err := allPlay(ctx, j.early); err != nil {
		return r, fmt.Errorf("the viewers before: %w", err)
	}
	if err := load.Rest(ctx, settleFor); err != nil {
		return r, err
	}
	fmt.Fprintf(o.Progress, "%d join in %d s ...\n", o.Joins, o.Seconds)
	return j.run(ctx)
}

// allPlay returns when every viewer that got in plays, or when that takes too long. Nobody getting in is an error.
func allPlay(ctx context.Context, c *load.Crowd) error {
	if err := c.Join(ctx); err != nil {
		return err
	}
	for late := time.Now().Add(playWithin); time.Now().Before(late); {
		s := c.Stats()
		if s.Joined == 0 {
			return fmt.Errorf("nobody could join: refused %v, failed %v", s.Refused, s.Failed)
		}
		if s.Playing == s.Joined {
			return nil
		}
		if err := load.Rest(ctx, lookEvery); err != nil {
			return err
		}
	}
	return nil // who does not play is told in the result
}

// reading is all that is counted at a moment.
type reading struct {
	at      time.Time
	cpu     time.Duration
	packets int64
	early   load.Stats
	state   state
	full    int64
	asked   uint64
}

func (j *joins) read(ctx context.Context) (r reading, err error) {
	if err := j.child.ask(ctx, http.MethodGet, "/state", nil, &r.state); err != nil {
		return r, err
	}
	if r.full, err = fullSockets(); err != nil {
		return r, err
	}
	if r.cpu, err = cpuTime(j.child.PID()); err != nil {
		return r, errors.Join(err, j.child.Err())
	}
	r.at, r.early, r.asked = time.Now(), j.early.Stats(), uint64(j.publisher.Stats().KeyframeRequests)
	for _, s := range []load.Stats{r.early, j.crowd.Stats()} {
		r.packets += s.Video + s.Audio
	}
	return r, nil
}

func (j *joins) run(ctx context.Context) (r JoinsResult, err error) {
	rate := max(j.options.Joins/j.options.Seconds, 1)
	j.crowd, err = load.New(load.Config{URL: j.whep(), Viewers: j.options.Joins, Rate: rate, Retry: true, OnPacket: j.lags.joiner,
		Look: func(_ int, since time.Duration) bool { return since > lagAfter-lookFor && since < lagAfter }})
	if err != nil {
		return r, err
	}
	before, err := j.read(ctx)
	if err != nil {
		return r, err
	}
	playing, err := j.join(ctx)
	if err != nil {
		return r, err
	}
	joined, err := j.read(ctx)
	if err != nil {
		return r, err
	}
	fmt.Fprintln(j.options.Progress, "they settle ...")
	if err := load.Rest(ctx, settleFor); err != nil {
		return r, err
	}
	settled, err := j.read(ctx)
	if err != nil {
		return r, err
	}
	return j.result(playing, before, joined, settled), nil
}

// join has them come, and says how many play within playingWithin. It returns when that is over and the last one's lag
// has been seen.
func (j *joins) join(ctx context.Context) (playing int, err error) {
	began, came := time.Now(), make(chan error, 1)
	joining, stop := context.WithCancel(ctx)
	defer stop()
	go func() { came <- j.crowd.Join(joining) }() // received below in any case
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	counting, all := true, false
	for counting || !all {
		select {
		case err := <-came:
			if err != nil {
				return 0, err
			}
			all, came = true, nil
		case <-tick.C:
		}
		s := j.crowd.Stats()
		if counting {
			playing = s.Playing
			counting = time.Since(began) < playingWithin && !(all && s.Playing == s.Joined)
		}
	}
	return playing, load.Rest(ctx, lagAfter)
}

func (j *joins) result(playing int, before, joined, settled reading) JoinsResult {
	s := j.crowd.Stats()
	r := JoinsResult{
		Viewers: j.options.Viewers, Joins: j.options.Joins, Seconds: float64(j.options.Seconds),
		Admitted: s.Joined, Refused: s.Waited, GaveUp: s.Refused[http.StatusServiceUnavailable], Playing: playing,
		FirstPicture: percentiles(s.FirstPictures), EarlyLost: settled.early.Lost - before.early.Lost,
		EarlyEnded: settled.early.Ended - before.early.Ended, ReceiversFull: settled.full - before.full,
		ServerDropped:  map[string]float64{},
		KeyframesAsked: round(float64(joined.asked-before.asked) / joined.at.Sub(before.at).Seconds()),
		CoreBusy:       round((joined.cpu - before.cpu).Seconds() / joined.at.Sub(before.at).Seconds()),
	}
	r.Failed = j.options.Joins - r.Admitted - r.GaveUp
	for reason, n := range settled.state.Dropped {
		if more := n - before.state.Dropped[reason]; more > 0 {
			r.ServerDropped[reason] = more
		}
	}
	lags := j.lags.all()
	r.Lag, r.LagMeasured = percentiles(lags), len(lags)
	if len(lags) > 0 {
		r.LagMax = round(float64(lags[len(lags)-1]) / float64(time.Millisecond))
	}
	packet := 0.0
	if n := settled.packets - joined.packets; n > 0 {
		packet = micros(settled.cpu-joined.cpu) / float64(n)
	}
	r.CPUPerPacket = round(packet)
	r.CPUPerJoin = round(max(micros(joined.cpu-before.cpu)-packet*float64(joined.packets-before.packets), 0) / 1000 / float64(max(s.Joined, 1)))
	return r
}

// lags finds out how far behind each joiner is, from the times that packets carry.
type lags struct {
	mu      sync.Mutex
	live    []seen                // by the first of the early viewers, in order
	newest  map[int]time.Duration // what each joiner had by lagAfter: when it was made
	moments map[int]time.Time     // when that was
}

// seen is a moment, and the newest media that was there then.
type seen struct {
	at   time.Time
	made time.Duration
}

// maxLive bounds what is kept: some minutes of video.
const maxLive = 1 << 17

func (l *lags) early(p load.Packet) {
	made, ok := read(p.Payload)
	if p.Viewer != 0 || !p.Video || !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.live); n < maxLive && (n == 0 || made > l.live[n-1].made) {
		l.live = append(l.live, seen{p.At, made})
	}
}

func (l *lags) joiner(p load.Packet) {
	if !p.Video || p.Since > lagAfter {
		return
	}
	made, ok := read(p.Payload)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.newest == nil {
		l.newest, l.moments = map[int]time.Duration{}, map[int]time.Time{}
	}
	l.newest[p.Viewer] = max(l.newest[p.Viewer], made)
	l.moments[p.Viewer] = p.At.Add(lagAfter - p.Since)
}

// all are the lags in the order of size; who is ahead of the early viewer is not behind.
func (l *lags) all() []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []time.Duration
	for viewer, made := range l.newest {
		at := l.moments[viewer]
		n := sort.Search(len(l.live), func(i int) bool { return l.live[i].at.After(at) })
		if n > 0 {
			list = append(list, max(l.live[n-1].made-made, 0))
		}
	}
	slices.Sort(list)
	return list
}

// print writes the result for people.
func (r JoinsResult) print(out io.Writer) {
	fmt.Fprintf(out, "%d join in %.0f s a show that %d watch; the server's core is %.0f %% busy meanwhile\n\n", r.Joins, r.Seconds, r.Viewers, 100*r.CoreBusy)
	fmt.Fprintf(out, "  admitted        %d; %d were told to wait first, %d gave up, %d failed\n", r.Admitted, r.Refused, r.GaveUp, r.Failed)
	fmt.Fprintf(out, "  playing         %d within %.0f s of the first request\n", r.Playing, playingWithin.Seconds())
	fmt.Fprintf(out, "  first picture   %6.0f ms            p95 %.0f, p99 %.0f\n", r.FirstPicture.P50, r.FirstPicture.P95, r.FirstPicture.P99)
	fmt.Fprintf(out, "  behind after 3s %6.0f ms            p95 %.0f, at most %.0f; of %d that had media\n", r.Lag.P50, r.Lag.P95, r.LagMax, r.LagMeasured)
	fmt.Fprintf(out, "  viewers before  lost %d packets, %d sessions ended; %d datagrams were not taken by full sockets of this machine\n", r.EarlyLost, r.EarlyEnded, r.ReceiversFull)
	fmt.Fprintf(out, "  server dropped  %v\n", r.ServerDropped)
	fmt.Fprintf(out, "  keyframes asked %6.2f a second\n", r.KeyframesAsked)
	fmt.Fprintf(out, "  join            %6.2f ms            a packet %.2f us\n", r.CPUPerJoin, r.CPUPerPacket)
}
