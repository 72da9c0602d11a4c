package outbox_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func newDispatcher(tb interface{ Fatal(...any) }, pool *pgxpool.Pool, handlers map[string]outbox.Handler) *outbox.Dispatcher {
	d, err := outbox.New(outbox.Config{
		Pool: pool, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry(), Handlers: handlers, Poll: 10 * time.Millisecond,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// A node loses its database in the middle of a capture. When its lease is over, the other node asks again with
// the same id.
func TestEffectOfADeadNodeIsTakenOver(t *testing.T) {
	dsn := schematest.Database(t)
	doomed, pool := schematest.Open(t, dsn), schematest.Open(t, dsn)
	held, release := make(chan struct{}), make(chan struct{})
	_, _, stopDoomed := start(t, doomed, map[string]outbox.Handler{"payment.capture": func(context.Context, outbox.Message) error {
		close(held) // a second call would panic
		<-release
		return nil
	}})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		return outbox.Effect(ctx, tx, "payment.capture", "cap:1", nil, time.Time{})
	})
	<-held
	doomed.Close()
	seen := &recorder{}
	start(t, pool, map[string]outbox.Handler{"payment.capture": seen.handle})
	if n := count(t, pool, "attempts = 1 and not_before > now() + interval '20 seconds'"); n != 1 {
		t.Fatal("the claimed effect is not leased")
	}
	if _, err := pool.Exec(t.Context(), `update outbox set not_before = now()`); err != nil { // the lease is over
		t.Fatal(err)
	}
	eventually(t, "taken over", func() bool { return count(t, pool, "done_at is not null and attempts = 2") == 1 })
	close(release)
	stopDoomed()
	if got := seen.all(); len(got) != 1 || got[0].ID != "cap:1" || got[0].Attempt != 2 {
		t.Errorf("calls %+v", got)
	}
}

// An answer that comes after the lease, when another node has finished, changes nothing.
func TestALateAnswerIsFencedOff(t *testing.T) {
	for name, answer := range map[string]error{"failed": errors.New("too late"), "parked": outbox.Permanent(errors.New("too late")), "delivered": nil} {
		t.Run(name, func(t *testing.T) {
			pool := schematest.Pool(t)
			held, release := make(chan struct{}), make(chan struct{})
			_, _, stop := start(t, pool, map[string]outbox.Handler{"payment.capture": func(context.Context, outbox.Message) error {
				close(held)
				<-release
				return answer
			}})
			write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
				return outbox.Effect(ctx, tx, "payment.capture", "cap:1", nil, time.Time{})
			})
			<-held
			if _, err := pool.Exec(t.Context(), `update outbox set attempts = 2`); err != nil { // claimed by another node
				t.Fatal(err)
			}
			close(release)
			stop()
			if n := count(t, pool, "attempts = 2 and done_at is null and parked_at is null and failures = 0"); n != 1 {
				t.Error("the late answer was written")
			}
		})
	}
}

func TestTwoDispatchersShareEffects(t *testing.T) {
	pool := schematest.Pool(t)
	const effects = 200
	seen := &recorder{}
	handlers := map[string]outbox.Handler{"mail": seen.handle}
	start(t, pool, handlers)
	start(t, pool, handlers)
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
		rows := make([]outbox.EffectRow, effects)
		for i := range rows {
			rows[i] = outbox.EffectRow{Kind: "mail", ID: strings.Repeat("m", i+1)[:min(i+1, 100)] + newShow().String()}
		}
		return outbox.Effects(ctx, tx, rows...)
	})
	eventually(t, "all done", func() bool { return count(t, pool, "done_at is not null") == effects })
	ids := map[string]bool{}
	for _, m := range seen.all() {
		if ids[m.ID] {
			t.Errorf("%s twice", m.ID)
		}
		ids[m.ID] = true
	}
	if len(ids) != effects {
		t.Errorf("%d effects called, want %d", len(ids), effects)
	}
}

// Stopping waits for what is being handed over, deletes it, and leaves the rest.
func TestStopBetweenRows(t *testing.T) {
	pool := schematest.Pool(t)
	show := newShow()
	held, release := make(chan struct{}), make(chan struct{})
	_, _, stop := start(t, pool, map[string]outbox.Handler{outbox.KindEvent: func(context.Context, outbox.Message) error {
		close(held) // a second call would panic
		<-release
		return nil
	}})
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, show, event(1), event(2)) })
	<-held
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("Run returned while a handler was at work")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	<-stopped
	if n := count(t, pool, "seq = 2 and attempts = 0"); n != 1 || count(t, pool, "true") != 1 {
		t.Errorf("the first event has to be gone and the second there")
	}
}

func TestAWriterIsNeverHeldUpByADispatcher(t *testing.T) {
	pool := schematest.Pool(t)
	show := newShow()
	held, release := make(chan struct{}, 10), make(chan struct{})
	start(t, pool, map[string]outbox.Handler{outbox.KindEvent: func(context.Context, outbox.Message) error {
		held <- struct{}{}
		<-release
		return nil
	}})
	t.Cleanup(func() { close(release) })
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, show, event(1)) })
	<-held
	// Returns although the show's head is locked.
	write(t, pool, func(ctx context.Context, tx pgx.Tx) error { return outbox.Event(ctx, tx, show, event(2)) })
}

func TestConfigSaysAllThatIsMissing(t *testing.T) {
	_, err := outbox.New(outbox.Config{Handlers: map[string]outbox.Handler{"x": nil}, Poll: -1})
	for _, want := range []string{"pool", "logger", "registerer", `"x"`, "poll"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	config, err := pgxpool.ParseConfig("host=/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	for conns, ok := range map[int32]bool{outbox.MinConns: true, outbox.MinConns - 1: false} {
		config := config.Copy()
		config.MaxConns = conns
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		err = outbox.Config{Pool: pool, Log: slog.Default(), Registerer: prometheus.NewRegistry()}.Validate()
		if (err == nil) != ok {
			t.Errorf("%d connections: %v", conns, err)
		}
	}
}
