package checkout

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce/gather"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// stageTime bounds one round of a stage with all its tries.
	stageTime = 10 * time.Second
	// oneWriter is how many rounds of a stage are under way at once: two would each have half of those who wait.
	oneWriter = 1
	// undoings is how often a batch is undone for those in it that cannot be; then each goes alone.
	undoings = 3
)

// stages are what buyers who pay at once go through together.
type stages struct {
	looks    *gather.Stage[*payTap]
	begins   *gather.Stage[*payTap]
	confirms *gather.Stage[*confirmation]
	marks    *gather.Stage[*taking]
}

func (s *Service) newStages() stages {
	// Of a purchase's four steps no more are done at once than there are processors: those of a crowd are then larger, and all of
	// them together done sooner.
	turns := gather.NewTurns(max(2, runtime.GOMAXPROCS(0)))
	return stages{
		looks: gather.New(turns, oneWriter, stageTime, s.look), begins: gather.New(turns, oneWriter, stageTime, s.beginAll),
		confirms: gather.New(turns, oneWriter, stageTime, s.confirmAll), marks: gather.New(turns, oneWriter, stageTime, s.markAll),
	}
}

// try is one transaction for some items. It answers for each item an error or nil, or nil for all of them; with an error
// among them everything is undone.
type try[T any] func(ctx context.Context, tx pgx.Tx, now time.Time, items []T) ([]error, error)

// together commits what items ask for in one transaction, in the order of their keys, so that two batches wait for each
// other in one order. An item that cannot be does not hurt its neighbours: the batch is undone, and tried again without it. When
// Postgres refuses a batch and does not say whose fault it is, each item has a transaction of its own. The answers are in
// the order of the items.
func together[T any](ctx context.Context, pool *pgxpool.Pool, items []T, key func(T) [16]byte, do try[T]) []error {
	errs, rest := make([]error, len(items)), make([]int, len(items))
	for i := range items {
		rest[i] = i
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		left, right := key(items[a]), key(items[b])
		return cmp.Or(bytes.Compare(left[:], right[:]), cmp.Compare(a, b))
	})
	for undone := 0; len(rest) > 0; undone++ {
		if undone == undoings {
			return alone(ctx, pool, items, rest, errs, do)
		}
		bad, err := once(ctx, pool, items, rest, do)
		switch {
		case err == nil && bad == nil:
			return errs
		case err == nil:
			keep := rest[:0:0]
			for n, i := range rest {
				if errs[i] = bad[n]; bad[n] == nil {
					keep = append(keep, i)
				}
			}
			rest = keep
		case len(rest) > 1 && refused(err):
			return alone(ctx, pool, items, rest, errs, do)
		default: // what became of it may be unknown: each of them reads again, or is asked about again
			for _, i := range rest {
				errs[i] = err
			}
			return errs
		}
	}
	return errs
}

// alone gives each of the rest a transaction of its own.
func alone[T any](ctx context.Context, pool *pgxpool.Pool, items []T, rest []int, errs []error, do try[T]) []error {
	for _, i := range rest {
		bad, err := once(ctx, pool, items, []int{i}, do)
		if errs[i] = err; err == nil && bad != nil {
			errs[i] = bad[0]
		}
	}
	return errs
}

// errUndo undoes a transaction in which an item cannot be.
var errUndo = errors.New("undone")

func once[T any](ctx context.Context, pool *pgxpool.Pool, items []T, rest []int, do try[T]) (bad []error, err error) {
	some := make([]T, len(rest))
	for n, i := range rest {
		some[n] = items[i]
	}
	err = schema.InTx(ctx, pool, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		errs, err := do(ctx, tx, now, some)
		if bad = errs; err == nil && slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			err = errUndo
		}
		return err
	})
	if errors.Is(err, errUndo) {
		return bad, nil
	}
	return nil, err
}

// refused says that a transaction was surely undone, by what is in it or by others.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) || errors.Is(err, schema.ErrContended)
}

// newBatch is one for a transaction that looks its rows up by their keys.
func newBatch() *pgx.Batch {
	batch := &pgx.Batch{}
	schema.ByKey(batch)
	return batch
}

// read asks some questions in one trip.
func (s *Service) read(ctx context.Context, ask func(*pgx.Batch)) error {
	batch := &pgx.Batch{}
	batch.Queue(`begin read only`)
	schema.ByKey(batch)
	ask(batch)
	batch.Queue(`commit`)
	if err := s.Pool.SendBatch(ctx, batch).Close(); err != nil { // a connection that is still in a transaction is closed
		return fmt.Errorf("look: %w", err)
	}
	return nil
}
