package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	demoFirstRetry = 250 * time.Millisecond
	demoLastRetry  = 15 * time.Second
	demoLookAgain  = 500 * time.Millisecond // how often Yield is asked while it says true
	// demoSettle is how long the demo keeps away after the server has ended
	// its session: whoever took over has been announced by then.
	demoSettle = 2 * time.Second
	// demoSteady is how long a session lasts before the next trouble counts as a new one.
	demoSteady = 30 * time.Second
)

// DemoConfig says where the clip of the demo show goes.
type DemoConfig struct {
	WHIPURL string
	// Token is asked for each time the demo goes live.
	Token func(context.Context) (string, error)
	// Yield is true while a person publishes the stream or wants to: the demo
	// stays away. Nil is never.
	Yield   func() bool
	Network Network
	HTTP    *http.Client
	Log     *slog.Logger
}

// Demo loops the embedded clip until ctx ends, and comes back after every kind
// of trouble. When a person takes its place it stays away until Yield says
// that the place is free. It returns an error only when it cannot ever work.
func Demo(ctx context.Context, c DemoConfig) error {
	if c.WHIPURL == "" || c.Token == nil {
		return errors.New("client: the demo needs WHIPURL and Token")
	}
	if _, err := NewClipSource(); err != nil {
		return err
	}
	d := demo{DemoConfig: c, log: orDiscard(c.Log), retry: demoFirstRetry}
	for ctx.Err() == nil {
		if err := d.round(ctx); err != nil && ctx.Err() == nil {
			d.report(err)
		}
	}
	return nil
}

type demo struct {
	DemoConfig
	log   *slog.Logger
	retry time.Duration
	last  string // the last trouble told, so that it is told once
}

// round is one stay on air, and the wait after it.
func (d *demo) round(ctx context.Context) error {
	if d.Yield != nil && d.Yield() {
		return sleep(ctx, demoLookAgain)
	}
	began := time.Now()
	err := d.publish(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, ErrEnded) {
		d.log.Info("the demo creator makes room")
		d.retry = demoFirstRetry
		return sleep(ctx, demoSettle)
	}
	if time.Since(began) >= demoSteady {
		d.retry = demoFirstRetry
	}
	wait := d.retry
	if refused := (*StatusError)(nil); errors.As(err, &refused) {
		wait = max(wait, refused.RetryAfter)
	}
	d.retry = min(2*d.retry, demoLastRetry)
	// Many nodes restarted together must not ask together.
	return errors.Join(err, sleep(ctx, wait+rand.N(wait/2)))
}

func (d *demo) publish(ctx context.Context) error {
	token, err := d.Token(ctx)
	if err != nil {
		return fmt.Errorf("client: token of the demo: %w", err)
	}
	source, err := NewClipSource()
	if err != nil {
		return err
	}
	p, err := Publish(ctx, PublisherConfig{URL: d.WHIPURL, Token: token, Source: source, Network: d.Network, HTTP: d.HTTP, Log: d.log})
	if err != nil {
		return err
	}
	select {
	case <-p.Connected():
		d.last = ""
		d.log.Info("the demo creator is on air")
	case <-p.Done():
		return p.Err()
	case <-ctx.Done():
		return p.Close()
	}
	select {
	case <-p.Done():
		return p.Err()
	case <-ctx.Done():
		return p.Close()
	}
}

func (d *demo) report(err error) {
	if text := err.Error(); text != d.last {
		d.last = text
		d.log.Warn("the demo creator is not on air and tries again", "error", err)
	}
}
