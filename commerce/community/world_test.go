package community_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

// hall is a show with somebody of each kind.
type hall struct {
	stage
	mara, mod, other, operator, vic account.Account
	id                              commerce.ShowID
}

func newHall(t *testing.T) *hall {
	t.Helper()
	w := &hall{stage: stage{t, schematest.Pool(t)}}
	w.mara, w.operator = w.person("mara", account.Creator), w.person("op", account.Operator)
	w.mod, w.other, w.vic = w.person("mod", account.Viewer), w.person("other", account.Viewer), w.person("vic", account.Viewer)
	w.id = w.show(w.mara)
	for _, email := range []string{"mod@example.com", "other@example.com"} {
		w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
			return community.AddModerator(ctx, tx, w.mara, s, email)
		}))
	}
	return w
}

func (w *hall) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// led runs a workflow on the locked show.
func (w *hall) led(do func(ctx context.Context, tx pgx.Tx, s show.Show) error) error {
	return schema.InTx(w.Context(), w.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		s, err := show.Lock(ctx, tx, w.id)
		if err != nil {
			return err
		}
		return do(ctx, tx, s)
	})
}

// tx runs a workflow that locks nothing by itself.
func (w *hall) tx(do func(ctx context.Context, tx pgx.Tx) error) error {
	return schema.InTx(w.Context(), w.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return do(ctx, tx) })
}

func (w *hall) end() {
	w.Helper()
	w.must(w.led(func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		if err := community.End(ctx, tx, s.ID); err != nil {
			return err
		}
		_, err := show.End(ctx, tx, s)
		return err
	}))
}

func (w *hall) count(sql string, args ...any) (n int) {
	w.Helper()
	w.must(w.pool.QueryRow(w.Context(), sql, args...).Scan(&n))
	return n
}

// said is the newest event of a type, read into out, and how many there were.
func (w *hall) said(kind string, out any) (n int) {
	w.Helper()
	rows, err := w.pool.Query(w.Context(), `select payload->'d' from outbox where lane = 'event' and payload->>'t' = $1 and key = $2 order by seq`, kind, w.id.String())
	w.must(err)
	texts, err := pgx.CollectRows(rows, pgx.RowTo[json.RawMessage])
	w.must(err)
	if len(texts) > 0 {
		w.must(json.Unmarshal(texts[len(texts)-1], out))
	}
	return len(texts)
}

func guest() string { return commerce.NewID[commerce.GuestID]().String() }

// built is what the room would know from the events alone, by type and key.
func (w *hall) built() map[string]string {
	w.Helper()
	rows, err := w.pool.Query(w.Context(), `select payload->>'t' || '/' || (payload->>'k'), payload->'d' from outbox where lane = 'event' and key = $1 order by seq`, w.id.String())
	w.must(err)
	built := map[string]string{}
	var name string
	var data json.RawMessage
	_, err = pgx.ForEachRow(rows, []any{&name, &data}, func() error { built[name] = string(data); return nil })
	w.must(err)
	return built
}

// same checks that a page that joins hears what the events have built up.
func (w *hall) same() {
	w.Helper()
	built := w.built()
	events, err := community.Events(w.Context(), w.pool, w.id)
	w.must(err)
	for _, e := range events {
		data, err := e.JSON()
		w.must(err)
		if got, told := built[e.Type+"/"+e.Key]; told && got != string(data) {
			w.Errorf("%s: the snapshot says %s, the events %s", e.Type, data, got)
		}
	}
}
