package outbox_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// A kick wakes those who work on the kinds that it names, and nobody else; one without kinds wakes everybody.
func TestAKickWakesThoseWhoWorkOnIt(t *testing.T) {
	pool := schematest.Pool(t)
	seen := map[string]*recorder{outbox.KindEvent: {}, outbox.KindControl: {}, "payment.capture": {}, "mail.order": {}}
	handlers := map[string]outbox.Handler{}
	for kind, r := range seen {
		handlers[kind] = r.handle
	}
	d, err := outbox.New(outbox.Config{
		Pool: pool, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Registerer: prometheus.NewRegistry(), Handlers: handlers,
		AtOnce: map[string]int{"payment.capture": 1}, Poll: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running errgroup.Group
	running.Go(func() error { return d.Run(ctx) })
	defer func() { cancel(); _ = running.Wait() }()
	show := newShow()
	written := func() {
		write(t, pool, func(ctx context.Context, tx pgx.Tx) error {
			for _, kind := range []string{"payment.capture", "mail.order"} {
				if err := outbox.Effect(ctx, tx, kind, show.String(), nil, time.Time{}); err != nil {
					return err
				}
			}
			if err := outbox.Control(ctx, tx, outbox.ControlMessage{Op: outbox.OpClose, Show: show.String()}); err != nil {
				return err
			}
			return outbox.Event(ctx, tx, show, outbox.EventRow{Type: "x", Class: outbox.Lossless})
		})
	}
	total := func() (n int) {
		for _, r := range seen {
			n += len(r.all())
		}
		return n
	}
	written()
	d.Kick()
	eventually(t, "the first of all", func() bool { return total() == len(seen) })
	time.Sleep(time.Second) // whoever has found something looks once more

	show = newShow()
	written()
	for n, kind := range []string{"payment.capture", outbox.KindEvent, outbox.KindControl, "mail.order"} {
		time.Sleep(50 * time.Millisecond)
		if got := total() - len(seen); got != n {
			t.Fatalf("%d were seen before the kick of %s", got, kind)
		}
		d.Kick(kind)
		eventually(t, kind, func() bool { return len(seen[kind].all()) == 2 })
	}
	show = newShow()
	written()
	d.Kick()
	eventually(t, "all", func() bool { return total() == 3*len(seen) })
}
