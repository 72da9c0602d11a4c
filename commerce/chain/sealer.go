package chain

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// lookEvery is how often a node looks for what is to be sealed. A movement is seen by the next look and sealed by that or
	// the one after, when all transactions that it has to wait for have ended.
	lookEvery = 500 * time.Millisecond
	// maxBatch and maxHolds bound what one transaction seals; a movement of more holds goes alone.
	maxBatch = 512
	maxHolds = 1 << 15
	// lookWithin bounds in time what comes before sealing, and each batch.
	lookWithin = 10 * time.Second
)

// Sealer appends to the chains of all pools what has moved. Every node has one; what one of them was killed over, the next
// does.
type Sealer struct {
	Pool *pgxpool.Pool
	Log  *slog.Logger

	// The mark: movements up to this id (0: no mark) are decided once all transactions older than the other have ended.
	upTo  int64
	older int64
}

// Run works until ctx ends.
func (s *Sealer) Run(ctx context.Context) error {
	failing := false
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := s.Look(ctx)
		if err != nil && ctx.Err() == nil && !failing {
			s.Log.Warn("movements of units wait to be sealed", "error", err)
		}
		failing = err != nil
	}
}

// Look seals what was marked, and what is there now if nobody who is older still writes; else that is marked.
func (s *Sealer) Look(ctx context.Context) error {
	for range 2 {
		if decided, err := s.ready(ctx); err != nil || !decided {
			return err
		}
		if done, err := s.seal(ctx); err != nil || !done {
			return err
		}
		s.upTo = 0
	}
	return nil
}

// ready says whether there is a mark, and it is decided.
func (s *Sealer) ready(ctx context.Context) (yes bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	if s.upTo == 0 {
		if err := s.mark(ctx); err != nil || s.upTo == 0 {
			return false, err
		}
	}
	return s.decided(ctx)
}

// mark notes the newest movement, if it is not sealed yet, and then who may still be about to commit one before it.
func (s *Sealer) mark(ctx context.Context) error {
	var newest, sealed, older int64
	err := s.Pool.QueryRow(ctx, `select coalesce((select max(id) from unit_movement), 0), coalesce((select max(movement) from unit_seal), 0)`).Scan(&newest, &sealed)
	if err != nil {
		return fmt.Errorf("look for movements: %w", err)
	}
	if newest <= sealed {
		return nil
	}
	// In a statement of its own: it must be newer than whoever has an id that we have just seen, or a lower one.
	if err := s.Pool.QueryRow(ctx, `select pg_current_xact_id()::text::bigint`).Scan(&older); err != nil {
		return fmt.Errorf("mark movements: %w", err)
	}
	s.upTo, s.older = newest, older
	return nil
}

// decided says whether all who are older than the mark have ended: what they wrote is seen from here on.
func (s *Sealer) decided(ctx context.Context) (yes bool, err error) {
	err = s.Pool.QueryRow(ctx, `select pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1`, s.older).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("wait for movements: %w", err)
	}
	return yes, nil
}

// seal seals all up to the mark. It is not done when another node is at it.
func (s *Sealer) seal(ctx context.Context) (done bool, err error) {
	for {
		n, mine, err := s.batch(ctx)
		if err != nil || !mine || n == 0 {
			return mine, err
		}
	}
}

func (s *Sealer) batch(ctx context.Context) (n int, mine bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	err = schema.InTx(ctx, s.Pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock(hashtextextended('rialto unit_seal', 0))`).Scan(&mine); err != nil || !mine {
			return err
		}
		moved, err := unsealed(ctx, tx, s.upTo)
		n = len(moved)
		if err != nil || n == 0 {
			return err
		}
		return appendAll(ctx, tx, moved)
	})
	if err != nil {
		return 0, false, fmt.Errorf("seal movements: %w", err)
	}
	return n, mine, nil
}

// movement is one that is not sealed yet.
type movement struct {
	id   int64
	pool commerce.PoolID
	row  Row
}

// unsealed reads the next movements behind the last sealed one.
func unsealed(ctx context.Context, tx pgx.Tx, upTo int64) ([]movement, error) {
	rows, err := tx.Query(ctx, `
		select id, pool, kind, origin, target, units, holds, created_at
		from (select *, sum(cardinality(holds)) over (order by id) - cardinality(holds) as before from (
			select * from unit_movement where id > coalesce((select max(movement) from unit_seal), 0) and id <= $1 order by id limit $2
		) next) sized
		where before < $3 order by id`, upTo, maxBatch, maxHolds)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m movement, err error) {
		var at time.Time
		var holds []commerce.HoldID
		err = row.Scan(&m.id, &m.pool, &m.row.Kind, &m.row.Origin, &m.row.Target, &m.row.Units, &holds, &at)
		m.row.At, m.row.Holds, m.row.Commitment = stamp(at), len(holds), commit(hashHolds(holds))
		return m, err
	})
}

// appendAll seals movements, which are in order, in the chains of their pools.
func appendAll(ctx context.Context, tx pgx.Tx, moved []movement) error {
	pools := make([]commerce.PoolID, len(moved))
	for i, m := range moved {
		pools[i] = m.pool
	}
	ends, err := heads(ctx, tx, pools)
	if err != nil {
		return err
	}
	columns := []string{"pool", "n", "movement", "holds", "commitment", "hash", "available", "held", "paying", "sold"}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"unit_seal"}, columns, pgx.CopyFromSlice(len(moved), func(i int) ([]any, error) {
		m := moved[i]
		end := ends[m.pool].append(m.pool, &m.row)
		ends[m.pool] = end
		return []any{m.pool, m.row.N, m.id, m.row.Holds, m.row.Commitment[:], m.row.Hash[:], end.Available, end.Held, end.Paying, end.Sold}, nil
	}))
	return err
}

// heads reads the ends of chains; what has none is left out.
func heads(ctx context.Context, q schema.Querier, pools []commerce.PoolID) (map[commerce.PoolID]Head, error) {
	rows, err := q.Query(ctx, `
		select p.pool, s.n, s.hash, s.available, s.held, s.paying, s.sold
		from (select distinct pool from unnest($1::uuid[]) as pool) p cross join lateral (`+lastSeal+` p.pool order by n desc limit 1) s`, pools)
	if err != nil {
		return nil, err
	}
	ends := make(map[commerce.PoolID]Head)
	var pool commerce.PoolID
	var h Head
	_, err = pgx.ForEachRow(rows, []any{&pool, &h.N, &h.Hash, &h.Available, &h.Held, &h.Paying, &h.Sold}, func() error {
		h.Allocated = h.Available + h.Held + h.Sold
		ends[pool] = h
		return nil
	})
	return ends, err
}

// lastSeal begins the question for the last row of a pool's chain.
const lastSeal = `select n, hash, available, held, paying, sold from unit_seal where pool =`
