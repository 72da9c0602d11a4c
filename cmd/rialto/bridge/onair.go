package bridge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/media"
)

const (
	onAirTimeout = 5 * time.Second
	onAirRetry   = 500 * time.Millisecond
)

// Air is what OnAir needs.
type Air struct {
	Pool *pgxpool.Pool
	Node string
	Log  *slog.Logger
	// Set is outage.Keeper.SetOnAir: the clocks of the show's offers stand
	// while it is off the air.
	Set func(ctx context.Context, tx pgx.Tx, now time.Time, id commerce.ShowID, on bool, node string) (after func(context.Context), err error)
	// Wrote is told that outbox rows were committed.
	Wrote func()
	// Silent is told that a stream of this node is off the air for good, so
	// that another node may become its origin.
	Silent func(context.Context, media.StreamID)
	// Close ends media that belongs to no open show.
	Close func(media.StreamID)
}

// OnAir notes in the show whether its media arrives. It repeats until
// Postgres has it or ctx ends: a show that is live must not look dark because
// the database was away for a minute.
func OnAir(ctx context.Context, a Air) func(media.StreamID, bool) {
	return func(id media.StreamID, on bool) {
		var showID commerce.ShowID
		if err := showID.UnmarshalText([]byte(id)); err != nil {
			return // whip lets no such stream in
		}
		for {
			err := a.set(ctx, showID, on)
			if err == nil {
				break
			}
			if errors.Is(err, show.ErrEnded) || errors.Is(err, show.ErrUnknown) {
				a.Close(id)
				break
			}
			a.Log.Warn("the show was not told that its media came or went; trying again", "show", id, "on_air", on, "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(onAirRetry):
			}
		}
		if !on {
			a.Silent(ctx, id)
		}
	}
}

func (a Air) set(ctx context.Context, id commerce.ShowID, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, onAirTimeout)
	defer cancel()
	var after func(context.Context)
	err := schema.InTx(ctx, a.Pool, func(ctx context.Context, tx pgx.Tx, now time.Time) (err error) {
		after, err = a.Set(ctx, tx, now, id, on, a.Node)
		return err
	})
	if err == nil {
		after(ctx)
		a.Wrote()
	}
	return err
}
