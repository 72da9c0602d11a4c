package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

// Leaving is how a viewer ends that only passes by.
type Leaving int

// The ways to leave: as a page that is closed, as one that only says goodbye, as one whose battery is empty, and two that
// never come as far as a picture.
const (
	Deletes          Leaving = iota // DELETE
	SaysGoodbye                     // closes its DTLS connection
	FallsSilent                     // nothing more is heard
	NeverAnswers                    // it asks for a session and does nothing with it
	NeverShakesHands                // it finds the path, and no more
)

func (l Leaving) String() string {
	return [...]string{"deleted", "goodbye", "silent", "no answer", "no handshake"}[l]
}

// pictureWithin is how long one that passes by waits for a picture.
const pictureWithin = 10 * time.Second

var errNoPicture = errors.New("no picture")

// Pass has one more viewer join, see a picture if it means to come so far, and leave. It comes back when it is told to
// and Config.Retry says so. The server may know of it for some time yet; here nothing is left. Many may pass at once,
// beside Join.
func (c *Crowd) Pass(ctx context.Context, index int, how Leaving) error {
	return c.patiently(ctx, func() error { return c.pass(ctx, index, how) })
}

func (c *Crowd) pass(ctx context.Context, index int, how Leaving) error {
	v := c.newViewer(index)
	if err := v.comeAsFar(ctx, c, how); err != nil {
		v.close(err)
		return err
	}
	switch how {
	case Deletes:
	case SaysGoodbye:
		_ = v.dtls.Close() // sent while there is a socket; a lost one is a silent one
		v.resource = nil
	default:
		v.resource = nil
	}
	v.close(errLeft)
	return nil
}

// comeAsFar does what a viewer does before it leaves.
func (v *Viewer) comeAsFar(ctx context.Context, c *Crowd, how Leaving) error {
	switch how {
	case NeverAnswers:
		return v.negotiate(ctx, c)
	case NeverShakesHands:
		if err := v.negotiate(ctx, c); err != nil {
			return err
		}
		return v.findPath(ctx)
	}
	if err := v.open(ctx, c); err != nil {
		return err
	}
	timer := time.NewTimer(pictureWithin)
	defer timer.Stop()
	select {
	case <-v.pictured:
		return nil
	case <-v.ended:
		return v.why()
	case <-timer.C:
		return errNoPicture
	case <-ctx.Done():
		return ctx.Err()
	}
}

// patiently asks again when that is wanted and the server says when.
func (c *Crowd) patiently(ctx context.Context, ask func() error) error {
	for n := 0; ; n++ {
		err := ask()
		var refused *Refused
		if !c.config.Retry || n == maxReturns || !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || refused.RetryAfter == 0 {
			return err
		}
		if n == 0 {
			c.waited.Add(1)
		}
		if err := Rest(ctx, refused.RetryAfter+rand.N(retryJitter)); err != nil {
			return err
		}
	}
}

// Rest waits, or says that ctx ended.
func Rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
