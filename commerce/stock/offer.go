package stock

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// ErrWindow: a timed offer ends after it begins.
var ErrWindow = errors.New("window ends before it begins")

// TimedOffer is a second offer of a pool, beside its standing one. While it is on, a tap at the standing offer is
// refused with ErrOfferChanged as long as the timed one has the units that the tap wants: nobody pays more than
// the price that holds. Outside of its window, and beyond its cap, a tap at the timed offer is refused so.
type TimedOffer struct {
	Opens  time.Time // from here on, by the stores' clocks
	Closes time.Time // no more from here on
	Cap    int       // units in all that are held, being paid or sold at it; 0: no cap
}

// Of a pool's row. timedLeft is what people are told, timedFree what the gate counts.
const (
	timedLeft = `case when timed_cap > 0 then least(timed_cap - timed_taken, on_hand - taken) end`
	timedFree = `case when timed_cap > 0 then timed_cap - timed_taken else -1 end` // -1: no cap
)

// SetOffer gives a pool a new timed offer, in place of the one that there may be: Level.Timed of the answer is its
// version, which a Tap repeats. Units taken at an older one stay with their buyers and count for this one's cap in
// no way, not even when they come back. The caller writes the level's Event (a stream's row is the last lock), and
// calls Service.Changed after the commit.
func SetOffer(ctx context.Context, tx pgx.Tx, pool commerce.PoolID, o TimedOffer) (Level, error) {
	if !o.Closes.After(o.Opens) {
		return Level{}, fmt.Errorf("%w: %s to %s", ErrWindow, o.Opens.Format(time.RFC3339), o.Closes.Format(time.RFC3339))
	}
	if o.Cap < 0 || o.Cap > MaxOnHand {
		return Level{}, fmt.Errorf("%w: a cap of %d units, 0 to %d are possible", ErrQuantity, o.Cap, MaxOnHand)
	}
	return changeOffer(ctx, tx, pool, `offer_last = offer_last + 1, timed_version = offer_last + 1,
		timed_opens_at = $2, timed_closes_at = $3, timed_cap = $4, timed_taken = 0`, o.Opens, o.Closes, o.Cap)
}

// ClearOffer ends a pool's timed offer, if there is one. The caller does what SetOffer says.
func ClearOffer(ctx context.Context, tx pgx.Tx, pool commerce.PoolID) (Level, error) {
	return changeOffer(ctx, tx, pool, `timed_version = null, timed_opens_at = null, timed_closes_at = null, timed_cap = 0, timed_taken = 0`)
}

func changeOffer(ctx context.Context, tx pgx.Tx, pool commerce.PoolID, set string, args ...any) (Level, error) {
	l, err := scanLevel(tx.QueryRow(ctx, `update pool set `+set+`, epoch = epoch + 1, epoch_at = '-infinity' where id = $1
		returning `+levelColumns, append([]any{pool}, args...)...))
	if errors.Is(err, pgx.ErrNoRows) {
		return Level{}, fmt.Errorf("%w: pool %s", ErrUnknown, pool)
	}
	if err != nil {
		return Level{}, fmt.Errorf("timed offer of %s: %w", pool, err)
	}
	return l, nil
}

// given is units that leave holds, and the version that they were taken at.
type given struct {
	quantities []int32
	offers     []int64
}

func (g *given) add(quantity int, offer int64) {
	g.quantities, g.offers = append(g.quantities, int32(quantity)), append(g.offers, offer)
}

// giveBack takes them from the pool's row, which the caller has locked: what was taken at the present timed offer goes
// back to its cap, too.
func (g *given) giveBack(ctx context.Context, tx pgx.Tx, pool commerce.PoolID) (Returned, error) {
	r := Returned{Pool: pool}
	err := tx.QueryRow(ctx, `
		with back as (select * from unnest($2::int[], $3::bigint[]) as b(quantity, offer))
		update pool set taken = taken - (select coalesce(sum(quantity), 0) from back),
			timed_taken = timed_taken - (select coalesce(sum(quantity), 0) from back where offer = timed_version)
		where id = $1 returning epoch`, pool, g.quantities, g.offers).Scan(&r.Epoch)
	if err != nil {
		return Returned{}, fmt.Errorf("give units of %s back: %w", pool, err)
	}
	level, err := levelOf(ctx, tx, pool)
	if err != nil {
		return Returned{}, err
	}
	return r, level.announce(ctx, tx)
}

func levelOf(ctx context.Context, q schema.Querier, pool commerce.PoolID) (Level, error) {
	l, err := scanLevel(q.QueryRow(ctx, levelSQL+` where id = $1`, pool))
	if err != nil {
		return Level{}, fmt.Errorf("level of %s: %w", pool, err)
	}
	return l, nil
}
