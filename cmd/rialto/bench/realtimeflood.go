package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load/frames"
	"github.com/rialto-live/rialto/realtime/chat"
	"github.com/rialto-live/rialto/realtime/ws"
)

const (
	// floodViewers is how many are in the room where all speak.
	floodViewers = 1_000
	// floodPrices is how many lossless events a second are told meanwhile.
	floodPrices = 20
	// floodPace is how many calls a second each viewer makes: one less than a page may in the long run, so that the hub
	// closes nobody.
	floodPace = ws.MessagesPerSec - 1
	// floodText is the length of a line that is said, in bytes.
	floodText = 100
	// mostBehind is how far behind its pace the crowd may be and still make up for it, far less than the burst that a page
	// has.
	mostBehind = time.Second
)

// Flood is how late lossless events were while nobody spoke, and while everybody wrote and sent hearts as fast as a page
// may, in turn.
type Flood struct {
	Viewers  int      `json:"viewers"`
	Events   float64  `json:"events_per_second"`
	Calls    float64  `json:"calls_per_second"`
	Shown    float64  `json:"messages_per_viewer_second"` // that are not those events, while all speak
	Quiet    Delivery `json:"quiet_ms"`
	Loud     Delivery `json:"flood_ms"`
	P99      float64  `json:"flood_p99_over_quiet"`
	CoreBusy float64  `json:"core_busy"` // while all speak
}

// chorus is viewers who speak.
type chorus struct {
	crowd  *frames.Crowd
	most   int
	every  time.Duration // from one call to the next, whoever makes it
	next   time.Time
	calls  int
	failed error
}

// begin has them speak from now on.
func (c *chorus) begin() {
	c.every = time.Second / time.Duration(floodPace*c.most)
	c.next, c.calls = time.Now(), 0
}

// speak makes the calls that are due: each viewer in turn, with lines and hearts in turn.
func (c *chorus) speak() {
	now := time.Now()
	if now.Sub(c.next) > mostBehind {
		c.next = now
	}
	for ; !c.next.After(now) && c.failed == nil; c.next = c.next.Add(c.every) {
		turn := c.calls / c.most
		text := fmt.Sprintf(`{"t":"call","call":"%s","d":{"count":%d}}`, chat.CallHearts, chat.MaxHearts)
		if turn%2 == 0 {
			text = fmt.Sprintf(`{"t":"call","id":"c%d","call":"%s","d":{"text":"%d %s"}}`, c.calls, chat.CallSay, c.calls, strings.Repeat("pan ", floodText/4))
		}
		c.failed = c.crowd.Say(c.calls%c.most, []byte(text))
		c.calls++
	}
}

// flood tells a room the same with and without everybody speaking.
func (o RealtimeOptions) flood(ctx context.Context, core int, r *RealtimeResult) (err error) {
	viewers := min(o.Conns, floodViewers)
	a, err := openAudience(ctx, seats{kind: "hub-chat", core: core, most: viewers})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.fill(ctx, viewers); err != nil {
		return err
	}
	if err := a.settle(ctx, quietHub); err != nil {
		return err
	}
	voices := &chorus{crowd: a.crowd, most: viewers}
	order := evenly(floodPrices, o.Seconds)
	var quiet, loud side
	var calls, shown []float64
	for n := range o.Rounds {
		fmt.Fprintf(o.Progress, "round %d of %d: %d viewers are silent, and then all speak ...\n", n+1, o.Rounds, viewers)
		a.beside = nil
		h, err := a.say(ctx, order)
		if err != nil {
			return err
		}
		quiet.add(h)
		r.Delivered += h.messages
		voices.begin()
		a.beside = voices.speak
		if h, err = a.say(ctx, order); err != nil {
			return err
		}
		if voices.failed != nil {
			return voices.failed
		}
		loud.add(h)
		r.Delivered += h.messages
		calls = append(calls, float64(voices.calls)/h.lasts.Seconds())
		shown = append(shown, float64(h.messages-h.events)/float64(viewers)/h.lasts.Seconds())
		if err := a.settle(ctx, quietHub); err != nil { // with the answers that are under way
			return err
		}
	}
	r.Lost += a.tally.lost(a.said)
	r.Wrong += a.tally.wrong
	r.Checked += a.tally.checked
	r.Snapshots += a.tally.joins
	r.Flood = Flood{Viewers: viewers, Events: floodPrices, Calls: round(median(calls)), Shown: round(median(shown)), Quiet: quiet.delivery(),
		Loud: loud.delivery(), CoreBusy: round(median(loud.busy))}
	r.Flood.P99 = round(ratio(r.Flood.Loud.P99, r.Flood.Quiet.P99))
	return nil
}
