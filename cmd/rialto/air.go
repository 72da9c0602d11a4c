package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// reapEvery is how often a node looks for shows whose node has died.
const reapEvery = 2 * time.Second

// reap takes shows off the air whose node died without a goodbye, and at the
// end this node's own.
func (a *App) reap(ctx context.Context) error {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			a.goodbye()
			return nil
		case <-tick.C:
		}
		if err := a.reapOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.Debug("shows of dead nodes could not be looked for", "error", err)
		}
	}
}

// reapOnce also puts back what others have taken off the air while they could
// not see this node.
func (a *App) reapOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reapEvery)
	defer cancel()
	err := a.putBack(ctx)
	if alive, sure := a.nodes.alive(); sure {
		err = errors.Join(err, a.offAirUnless(ctx, alive))
	}
	return err
}

func (a *App) offAirUnless(ctx context.Context, alive []string) error {
	return schema.InTx(ctx, a.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		n, err := show.OffAirUnless(ctx, tx, alive)
		if n > 0 {
			a.dispatcher.Kick()
		}
		return err
	})
}

// putBack notes that this node's media arrives where the show says otherwise.
func (a *App) putBack(ctx context.Context) error {
	var errs []error
	for _, stream := range a.nodes.streams() {
		id, err := commerce.Parse[commerce.ShowID](string(stream))
		if err != nil || !a.relay.OnAir(stream) {
			continue
		}
		s, err := show.Get(ctx, a.pool, id)
		if err == nil && !s.OnAir && s.State != show.Ended {
			a.log.Warn("the show was taken for dead and is on the air again", "show", id)
			err = a.setOnAir(ctx, id, true)
			// Its end may have been noted between the question and the answer.
			if !a.relay.OnAir(stream) {
				err = errors.Join(err, a.setOnAir(ctx, id, false))
			}
		}
		if !errors.Is(err, show.ErrEnded) && !errors.Is(err, show.ErrUnknown) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// goodbye takes this node's own shows off the air, so that nobody has to find
// out that it is gone.
func (a *App) goodbye() {
	ctx, cancel := context.WithTimeout(context.Background(), reapEvery)
	defer cancel()
	for _, stream := range a.nodes.streams() {
		id, err := commerce.Parse[commerce.ShowID](string(stream))
		if err == nil {
			err = a.setOnAir(ctx, id, false)
		}
		if err != nil {
			a.log.Warn("a show was not taken off the air; another node will", "show", stream, "error", err)
		}
	}
}

// setOnAir is one transaction per show: the row of what a show says is the
// last lock of each.
func (a *App) setOnAir(ctx context.Context, id commerce.ShowID, on bool) error {
	var after func(context.Context)
	err := schema.InTx(ctx, a.pool, func(ctx context.Context, tx pgx.Tx, now time.Time) (err error) {
		after, err = a.outages.SetOnAir(ctx, tx, now, id, on, a.nodes.id)
		return err
	})
	if err == nil {
		after(ctx)
		a.dispatcher.Kick()
	}
	return err
}
