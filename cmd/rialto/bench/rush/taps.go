package rush

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
)

// Units of a pool.
const (
	plenty = stock.MaxOnHand // nobody can buy so many in a window
	few    = 100             // gone before the window begins
)

// tapped is what buyers saw.
type tapped struct {
	won, lost float64         // a second
	yours     []time.Duration // from the tap to "yours", sorted
	batches   []int           // taps in each batch that Postgres was given, sorted
	wrong     int             // more or fewer holds than buyers were told of
}

// buyer taps again as soon as they are answered, each time as somebody new.
type buyer struct {
	number int
	taps   int
	told   int // holds, in all
	won    int // in the window
	lost   int
	yours  []time.Duration
}

// tap opens a sale of so many units and has buyers tap.
func (b *bench) tap(ctx context.Context, gate *redis.Client, buyers, units int) (t tapped, err error) {
	level, err := b.sale(ctx, units)
	if err != nil {
		return t, err
	}
	registry := prometheus.NewRegistry()
	service, err := stock.New(stock.Config{
		Pool: b.db, Redis: gate, Log: slog.New(slog.DiscardHandler), Registerer: registry, HoldFor: time.Hour, Barred: community.BarredSQL,
	})
	if err != nil {
		return t, err
	}
	crowd := make([]buyer, buyers)
	if err := running(ctx, service, func(ctx context.Context) error { return b.rush(ctx, service, level, crowd) }); err != nil {
		return t, err
	}
	told := 0
	for _, who := range crowd {
		told += who.told
		t.won += float64(who.won) / b.window().Seconds()
		t.lost += float64(who.lost) / b.window().Seconds()
		t.yours = append(t.yours, who.yours...)
	}
	slices.Sort(t.yours)
	var held, taken int
	err = b.db.QueryRow(ctx, `select (select count(*) from hold where pool = $1 and state = 'held'), taken from pool where id = $1`, level.Pool).Scan(&held, &taken)
	if err != nil {
		return t, fmt.Errorf("count what was held: %w", err)
	}
	if t.wrong = max(held-told, told-held) + max(held-taken, taken-held); t.wrong == 0 && taken > units {
		t.wrong = taken - units
	}
	t.batches, err = b.batches(ctx, level.Pool)
	return t, err
}

// running does something while the service runs, and ends it.
func running(ctx context.Context, service *stock.Service, do func(ctx context.Context) error) error {
	inner, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return service.Run(inner) })
	err := do(ctx)
	stop()
	return errors.Join(err, group.Wait())
}

// sale makes a pool of units, and what was bought before is not in the way.
func (b *bench) sale(ctx context.Context, units int) (level stock.Level, err error) {
	if _, err := b.db.Exec(ctx, `vacuum analyze hold, pool, outbox`); err != nil {
		return level, fmt.Errorf("tidy up: %w", err)
	}
	err = schema.InTx(ctx, b.db, func(ctx context.Context, tx pgx.Tx, _ time.Time) (err error) {
		level, err = stock.Put(ctx, tx, stock.Supply{
			Pool: commerce.NewID[commerce.PoolID](), Show: commerce.NewID[commerce.ShowID](), Variant: commerce.NewID[commerce.VariantID](), OnHand: units,
		})
		return err
	})
	return level, err
}

// rush has everybody tap until the window is over.
func (b *bench) rush(ctx context.Context, service *stock.Service, level stock.Level, crowd []buyer) error {
	buyers, ctx := errgroup.WithContext(ctx)
	from := time.Now().Add(warmFor)
	until := from.Add(b.window())
	for i := range crowd {
		crowd[i].number = i
		buyers.Go(func() error { return crowd[i].run(ctx, service, level, from, until) })
	}
	return buyers.Wait()
}

func (who *buyer) run(ctx context.Context, service *stock.Service, level stock.Level, from, until time.Time) error {
	for now := time.Now(); now.Before(until); {
		id := who.id(now)
		name := commerce.GuestID(id).String()
		_, err := service.Hold(ctx, stock.Tap{
			ID: id, Pool: level.Pool, Buyer: name, Source: name,
			Quantity: 1, Unit: money.Amount{Minor: 100, Currency: "EUR"}, Offer: level.Offer,
		})
		began := now
		now = time.Now()
		counts := !now.Before(from) && now.Before(until)
		switch {
		case err == nil:
			who.told++
			if counts {
				who.won++
				who.yours = append(who.yours, now.Sub(began))
			}
		case errors.Is(err, stock.ErrSoldOut):
			if counts {
				who.lost++
			}
		case errors.Is(err, stock.ErrUnavailable): // beyond what Postgres takes alone: told when to come again
			select {
			case <-ctx.Done():
			case <-time.After(min(stock.RetryAfter, time.Until(until))):
			}
			now = time.Now()
		default:
			return fmt.Errorf("a tap: %w", err)
		}
	}
	return nil
}

// id is in the form that clients make (RFC 9562, version 7) but counted: what a client does for it is not measured.
func (who *buyer) id(now time.Time) (id commerce.HoldID) {
	who.taps++
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|0x7000)
	binary.BigEndian.PutUint32(id[8:12], 0x80000000|uint32(who.number))
	binary.BigEndian.PutUint32(id[12:], uint32(who.taps))
	return id
}

// batches is how many holds each movement of units had: one is written per batch.
func (b *bench) batches(ctx context.Context, pool commerce.PoolID) ([]int, error) {
	rows, err := b.db.Query(ctx, `select cardinality(holds) from unit_movement where pool = $1 and kind = 'hold' order by 1`, pool)
	if err != nil {
		return nil, fmt.Errorf("count batches: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int])
}
