package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
)

// lane is how one kind of row is treated when it fails.
type lane struct {
	name string
	// limit is how long one try may take.
	limit time.Duration
	// first and most bound the pause before the next try, which doubles.
	first, most time.Duration
	// failures is how many tries may fail before the row is parked; Unavailable ones do not count.
	failures int
}

var (
	// A show's later events wait behind a failing one, so it is given up after about ten seconds.
	laneEvent   = lane{name: "event", limit: 5 * time.Second, first: 50 * time.Millisecond, most: 2 * time.Second, failures: 10}
	laneControl = lane{name: "control", limit: 2 * time.Second, first: 50 * time.Millisecond, most: time.Second, failures: 30}
	// Nobody waits behind an effect, and it may be money: about two hours.
	laneEffect = lane{name: "effect", limit: 20 * time.Second, first: time.Second, most: 5 * time.Minute, failures: 30}
)

// maxErrorText is how much of an error is kept in the row, for the person who looks at a parked one.
const maxErrorText = 500

// fate is what becomes of a row after a failed try.
type fate struct {
	parked string // reason, or ""
	counts bool
	pause  time.Duration
}

// after decides; attempt and failures include the try that failed.
func (l lane) after(err error, attempt, failures int) fate {
	switch {
	case errors.Is(err, errPermanent):
		return fate{parked: "permanent", counts: true}
	case errors.Is(err, errUnavailable):
		return fate{pause: l.pause(attempt)}
	case failures >= l.failures:
		return fate{parked: "tries", counts: true}
	}
	return fate{counts: true, pause: l.pause(attempt)}
}

func (l lane) pause(attempt int) time.Duration {
	pause := l.first
	for range attempt - 1 {
		if pause *= 2; pause >= l.most {
			return l.most
		}
	}
	return pause
}

// failed writes a failed try into its row. attempts fences: a claim that was taken over since then writes
// nothing. (Effects raise it when claimed, the other lanes here.)
func (d *Dispatcher) failed(ctx context.Context, q schema.Querier, l lane, r row, err error) (fate, error) {
	f := l.after(err, r.attempts, r.failures+1)
	_, dbErr := q.Exec(ctx, `
		update outbox set attempts = $2, failures = failures + $3, last_error = $4,
			not_before = now() + $5::interval, parked_at = case when $6 then now() end
		where id = $1 and attempts in ($2, $2 - 1)`,
		r.id, r.attempts, btoi(f.counts), printable(err.Error()), f.pause, f.parked != "")
	if dbErr != nil {
		return f, fmt.Errorf("note a failed try: %w", dbErr)
	}
	if f.parked != "" {
		d.metrics.parked.WithLabelValues(l.name, f.parked).Inc()
		d.config.Log.Error("outbox row parked: a person has to look at it", "row", r.id, "kind", r.message.Kind, "id", r.message.ID, "reason", f.parked, "error", err)
	} else {
		d.metrics.failed.WithLabelValues(l.name).Inc()
	}
	return f, nil
}

// printable keeps the beginning, of what Postgres can hold: errors may carry bytes from anywhere.
func printable(s string) string {
	out := []byte(s[:min(len(s), maxErrorText)])
	for i, c := range out {
		if c < ' ' || c > '~' {
			out[i] = '.'
		}
	}
	return string(out)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Parked is a row that no try could deliver.
type Parked struct {
	Row      int64
	Kind     string
	ID       string
	Error    string
	Attempts int
	At       time.Time
}

// MaxParkedList bounds one look at parked rows.
const MaxParkedList = 1000

// ListParked lists parked rows, oldest first.
func ListParked(ctx context.Context, q schema.Querier) ([]Parked, error) {
	rows, err := q.Query(ctx, `select id, kind, ref, coalesce(last_error, ''), attempts, parked_at from outbox
		where parked_at is not null order by parked_at, id limit $1`, MaxParkedList)
	if err != nil {
		return nil, fmt.Errorf("list parked rows: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Parked])
	if err != nil {
		return nil, fmt.Errorf("list parked rows: %w", err)
	}
	return list, nil
}

// Unpark gives a parked row a fresh start. An event comes late then: later ones of its show are out already,
// and whoever reads them goes by the number.
func Unpark(ctx context.Context, tx pgx.Tx, row int64) error {
	_, err := tx.Exec(ctx, `update outbox set parked_at = null, failures = 0, not_before = now() where id = $1 and parked_at is not null`, row)
	if err != nil {
		return fmt.Errorf("unpark: %w", err)
	}
	return nil
}
