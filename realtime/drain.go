package realtime

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// hurriedSpread is the window over which viewers come again when this node
	// has no time left to let them go one by one.
	hurriedSpread = 5 * time.Second
	// pacedJitter is added by a viewer that was let go at its own moment.
	pacedJitter = 250 * time.Millisecond
)

// Drain takes no new viewers and lets the present ones go one by one over the
// window, evenly, in random order: each stays in the show until its own
// moment, and the nodes that take them see no peak. When ctx ends first, the
// rest are told to come again spread over what was left of the window.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.life.Lock()
	h.draining = true
	h.life.Unlock()
	start := time.Now()
	conns := h.shuffled()
	for i, moment := range moments(len(conns), window) {
		if !sleepUntil(ctx, start.Add(moment)) {
			h.closeAll(max(window-time.Since(start), pacedJitter))
			return
		}
		after := rand.N(pacedJitter)
		h.letGo(moment, after)
		conns[i].askAgain(after)
	}
	h.closeAll(pacedJitter) // who slipped in between
}

// moments spreads n things over window: one in each n-th of it, somewhere.
func moments(n int, window time.Duration) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = time.Duration((float64(i) + rand.Float64()) / float64(n) * float64(window))
	}
	return out
}

func (h *Hub) shuffled() []*Conn {
	var conns []*Conn
	h.conns.each(func(c *Conn) { conns = append(conns, c) })
	rand.Shuffle(len(conns), func(i, j int) { conns[i], conns[j] = conns[j], conns[i] })
	return conns
}

// closeAll closes everybody at once; each is told another moment to return.
func (h *Hub) closeAll(spread time.Duration) {
	h.life.Lock()
	h.draining = true
	h.life.Unlock()
	conns := h.shuffled()
	for i, after := range moments(len(conns), spread) {
		conns[i].askAgain(after)
	}
}

func (c *Conn) askAgain(after time.Duration) {
	c.Close(CodeReconnect, fmt.Sprintf(reconnectReasonFormat, after.Milliseconds()))
}

func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
