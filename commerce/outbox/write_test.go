package outbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestEventsAreNumberedPerShowAndUndoneWithTheirTransaction(t *testing.T) {
	pool := schematest.Pool(t)
	a, b := newShow(), newShow()
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Events(ctx, tx, map[commerce.ShowID][]outbox.EventRow{a: {event(1), event(2)}, b: {event(1)}})
	})
	undone := errors.New("undone")
	err := schema.InTx(t.Context(), pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if err := outbox.Event(ctx, tx, a, event("never")); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, a, event(3)) })

	for show, want := range map[commerce.ShowID]int64{a: 3, b: 1, newShow(): 0} {
		if got, err := outbox.Seq(t.Context(), pool, show); err != nil || got != want {
			t.Errorf("Seq(%s) = %d, %v; want %d", show, got, err, want)
		}
	}
	rows, err := pool.Query(t.Context(), `select ref from outbox where key = $1 order by seq`, a.String())
	if err != nil {
		t.Fatal(err)
	}
	refs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if want := a.String() + ":1 " + a.String() + ":2 " + a.String() + ":3"; err != nil || strings.Join(refs, " ") != want {
		t.Errorf("refs %v, %v; want %s", refs, err, want)
	}
}

func TestAnEffectIsOneHoweverOftenWritten(t *testing.T) {
	pool := schematest.Pool(t)
	for range 2 {
		write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
			return outbox.Effects(ctx, tx,
				outbox.EffectRow{Kind: "payment.capture", ID: "cap:1", Payload: 1},
				outbox.EffectRow{Kind: "payment.capture", ID: "cap:1", Payload: 2},
				outbox.EffectRow{Kind: "payment.void", ID: "cap:1", Payload: 3})
		})
	}
	if n := count(t, pool, "lane = 'effect'"); n != 2 {
		t.Errorf("%d rows, want one per kind", n)
	}
	done := &recorder{}
	d, _, _ := start(t, pool, map[string]outbox.Handler{"payment.capture": done.handle})
	eventually(t, "the capture is done", func() bool { return count(t, pool, "done_at is not null") == 1 })
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Effect(ctx, tx, "payment.capture", "cap:1", 1, time.Time{})
	})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Effect(ctx, tx, "payment.capture", "cap:2", 1, time.Time{})
	})
	d.Kick()
	eventually(t, "the second capture is done", func() bool { return count(t, pool, "done_at is not null") == 2 })
	if seen := done.all(); len(seen) != 2 {
		t.Errorf("called %d times, want once per id: %v", len(seen), seen)
	}
}

func TestLimitsOfARow(t *testing.T) {
	pool := schematest.Pool(t)
	show := newShow()
	text := func(n int) string { return strings.Repeat("x", n) }
	events := func(n int) []outbox.EventRow {
		rows := make([]outbox.EventRow, n)
		for i := range rows {
			rows[i] = event(i)
		}
		return rows
	}
	effects := func(n int) []outbox.EffectRow {
		rows := make([]outbox.EffectRow, n)
		for i := range rows {
			rows[i] = outbox.EffectRow{Kind: "k", ID: commerce.NewID[commerce.OrderID]().String()}
		}
		return rows
	}
	effect := func(r outbox.EffectRow) func(context.Context, pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) error { return outbox.Effects(ctx, tx, r) }
	}
	say := func(rows ...outbox.EventRow) func(context.Context, pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, show, rows...) }
	}
	control := func(m ...outbox.ControlMessage) func(context.Context, pgx.Tx) error {
		return func(ctx context.Context, tx pgx.Tx) error { return outbox.Control(ctx, tx, m...) }
	}
	whole := outbox.MaxPayload - len(`{"t":"pin.set","k":"pin","c":"lossless","d":""}`)
	for name, c := range map[string]struct {
		write func(context.Context, pgx.Tx) error
		ok    bool
	}{
		"payload at the limit":  {say(event(text(whole))), true},
		"payload past it":       {say(event(text(whole + 1))), false},
		"type at the limit":     {say(outbox.EventRow{Type: text(outbox.MaxName), Class: outbox.Latest}), true},
		"type past it":          {say(outbox.EventRow{Type: text(outbox.MaxName + 1), Class: outbox.Latest}), false},
		"no type":               {say(outbox.EventRow{Class: outbox.Latest}), false},
		"key past the limit":    {say(outbox.EventRow{Type: "t", Key: text(outbox.MaxName + 1), Class: outbox.Latest}), false},
		"unknown class":         {say(outbox.EventRow{Type: "t", Class: "loud"}), false},
		"data that is not JSON": {say(event(make(chan int))), false},
		"batch at the limit":    {say(events(outbox.MaxBatch)...), true},
		"batch past it":         {say(events(outbox.MaxBatch + 1)...), false},
		"nothing at all":        {say(), true},
		"effects at the limit": {func(ctx context.Context, tx pgx.Tx) error {
			return outbox.Effects(ctx, tx, effects(outbox.MaxBatch)...)
		}, true},
		"effects past it": {func(ctx context.Context, tx pgx.Tx) error {
			return outbox.Effects(ctx, tx, effects(outbox.MaxBatch+1)...)
		}, false},
		"effect id at the limit":     {effect(outbox.EffectRow{Kind: "k", ID: text(outbox.MaxRef)}), true},
		"effect id past it":          {effect(outbox.EffectRow{Kind: "k", ID: text(outbox.MaxRef + 1)}), false},
		"effect without id":          {effect(outbox.EffectRow{Kind: "k"}), false},
		"effect of a reserved kind":  {effect(outbox.EffectRow{Kind: outbox.KindControl, ID: "x"}), false},
		"control":                    {control(outbox.ControlMessage{Op: outbox.OpClose, Show: show.String()}), true},
		"control of everything":      {control(outbox.ControlMessage{Op: outbox.OpRevoke}), false},
		"control of an unknown kind": {control(outbox.ControlMessage{Op: "shout", Show: show.String()}), false},
		"control without message":    {control(), true},
		"event without a show": {func(ctx context.Context, tx pgx.Tx) error {
			return outbox.Event(ctx, tx, commerce.ShowID{}, event(1))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := schema.InTx(t.Context(), pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error { return c.write(ctx, tx) })
			if c.ok && err != nil || !c.ok && !errors.Is(err, outbox.ErrRow) {
				t.Errorf("error %v, want ok %v", err, c.ok)
			}
		})
	}
}
