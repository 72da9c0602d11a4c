package rush

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/stock"
	"github.com/rialto-live/rialto/commerce/verify"
)

const (
	// soonCaptured is how long a buyer waits to hear that their money is taken, before the run is a failure.
	soonCaptured = time.Minute
	goodCard     = "4242424242424242"
)

// company is a payment company, and the vault that it takes cards with.
type company interface {
	payment.Provider
	payment.Vault
}

// bought is what buyers saw who bought again and again.
type bought struct {
	captured float64         // purchases a second, from the tap to the mark that its money is taken
	paid     []time.Duration // from the tap to the confirmed order, sorted
	wrong    int
}

// mall is a shop with everything that a purchase goes through.
type mall struct {
	db schema.Querier
	stall
	checkout *checkout.Service
	runs     []func(context.Context) error

	mu sync.Mutex
	// guarded by mu
	waiting map[string]chan struct{} // buyers who want to hear of their capture
}

// customer buys again as soon as their money is taken, each time as somebody new.
type customer struct {
	told, captured int // orders in all, and those that ended in the window
	paid           []time.Duration
}

// purchases has buyers buy with a company's money.
func (b *bench) purchases(ctx context.Context, with company, name string) (r bought, err error) {
	m, err := b.mall(ctx, with, name)
	if err != nil {
		return r, err
	}
	crowd := make([]customer, b.Buyers)
	err = runAll(ctx, m.runs, func(ctx context.Context) error {
		buyers, ctx := errgroup.WithContext(ctx)
		from := time.Now().Add(warmFor)
		until := from.Add(b.window())
		for i := range crowd {
			buyers.Go(func() error { return crowd[i].buys(ctx, m, from, until) })
		}
		return buyers.Wait()
	})
	if err != nil {
		return r, fmt.Errorf("purchases over %s: %w", name, err)
	}
	told := 0
	for _, who := range crowd {
		told += who.told
		r.captured += float64(who.captured) / b.window().Seconds()
		r.paid = append(r.paid, who.paid...)
	}
	slices.Sort(r.paid)
	r.wrong, err = m.wrong(ctx, told)
	return r, err
}

// runAll does something while all of runs run, and ends them.
func runAll(ctx context.Context, runs []func(context.Context) error, do func(ctx context.Context) error) error {
	inner, stop := context.WithCancel(ctx)
	var group errgroup.Group
	for _, run := range runs {
		group.Go(func() error { return run(inner) })
	}
	err := do(ctx)
	stop()
	return errors.Join(err, group.Wait())
}

// mall opens a stall, with services as the program has them.
func (b *bench) mall(ctx context.Context, with company, name string) (*mall, error) {
	sold, err := b.sell(ctx, plenty)
	if err != nil {
		return nil, err
	}
	m := &mall{db: b.db, stall: sold, waiting: map[string]chan struct{}{}}
	log, registry := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	units, err := stock.New(stock.Config{Pool: b.db, Redis: b.redis, Log: log, Registerer: registry, Barred: community.BarredSQL})
	if err != nil {
		return nil, err
	}
	var dispatcher *outbox.Dispatcher
	if m.checkout, err = checkout.New(checkout.Config{
		Pool: b.db, Stock: units, Provider: with, Vault: with, Name: name, Log: log, Registerer: registry, Kick: func(kinds ...string) { dispatcher.Kick(kinds...) },
	}); err != nil {
		return nil, err
	}
	handlers := m.checkout.Handlers()
	handlers[outbox.KindEvent] = func(context.Context, outbox.Message) error { return nil }
	handlers[outbox.KindControl] = m.heard
	dispatcher, err = outbox.New(outbox.Config{Pool: b.db, Log: log, Registerer: registry, Handlers: handlers, AtOnce: m.checkout.AtOnce()})
	if err != nil {
		return nil, err
	}
	m.runs = []func(context.Context) error{units.Run, m.checkout.Run, dispatcher.Run}
	return m, nil
}

// heard is told, as a buyer's page is, that what they have has changed: their money is taken.
func (m *mall) heard(_ context.Context, message outbox.Message) error {
	var me outbox.MeMessage
	if err := json.Unmarshal(message.Data, &me); err != nil || me.Op != outbox.OpMe {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, told := range me.People {
		if wait := m.waiting[told.Subject]; wait != nil {
			close(wait)
			delete(m.waiting, told.Subject)
		}
	}
	return nil
}

func (m *mall) wait(buyer string) <-chan struct{} {
	wait := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[buyer] = wait
	return wait
}

func (who *customer) buys(ctx context.Context, m *mall, from, until time.Time) error {
	for now := time.Now(); now.Before(until); now = time.Now() {
		name := commerce.NewID[commerce.GuestID]().String()
		captured := m.wait(name)
		if err := m.buy(ctx, name); err != nil {
			return err
		}
		who.told++
		if confirmed := time.Now(); !confirmed.Before(from) && confirmed.Before(until) {
			who.paid = append(who.paid, confirmed.Sub(now))
		}
		select {
		case <-captured:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(soonCaptured):
			return errors.New("an order was confirmed, and nobody has taken its money")
		}
		if done := time.Now(); !done.Before(from) && done.Before(until) {
			who.captured++
		}
	}
	return nil
}

// buy is a purchase up to the confirmed order.
func (m *mall) buy(ctx context.Context, name string) error {
	h, err := m.checkout.Hold(ctx, checkout.HoldRequest{
		ID: commerce.NewID[commerce.HoldID](), Show: m.show, Variant: m.variant, Buyer: name, Quantity: 1, Source: name,
	})
	if err != nil {
		return fmt.Errorf("a tap: %w", err)
	}
	o, created, err := m.checkout.Pay(ctx, checkout.PayRequest{
		Order: commerce.NewID[commerce.OrderID](), Hold: h.ID, Buyer: name, Email: "vic@example.com", Name: "Vic",
		Card:     payment.Card{Number: goodCard, ExpMonth: 12, ExpYear: time.Now().Year() + 2, CVC: "123"},
		Delivery: delivery.Address{Name: "Vic Rossi", Line1: "Via del Ponte 4", City: "Venezia", Postcode: "30124", Country: "IT"},
	})
	if err == nil && (!created || !o.State.Paid() || o.State == order.Pending || o.Receipt == "") {
		err = fmt.Errorf("it is %s, receipt %q", o.State, o.Receipt)
	}
	if err != nil {
		return fmt.Errorf("a payment: %w", err)
	}
	return nil
}

// wrong counts what of the orders that buyers were told of is not there, or is not whole: order, payment, units, and what
// stands in the ledger; and the other way round.
func (m *mall) wrong(ctx context.Context, told int) (int, error) {
	var orders, whole, others int
	err := m.db.QueryRow(ctx, `
		select count(*), count(*) filter (where o.state = 'captured' and p.state = 'captured' and p.captured_minor = o.total_minor and h.state = 'sold'
			and l.amounts[1] = o.total_minor and o.receipt is not null), (select taken from pool where show = $1)
		from orders o left join payment p on p.order_id = o.id left join hold h on h.id = o.hold
			left join ledger_transaction l on l.ref = 'sale:ord_' || replace(o.id::text, '-', '')
		where o.show = $1`, m.show).Scan(&orders, &whole, &others)
	if err != nil {
		return 0, fmt.Errorf("count what was bought: %w", err)
	}
	return max(orders-told, told-orders) + max(whole-told, told-whole) + max(others-told, told-others), nil
}

// verified seals all movements and has `rialto verify` look at everything: what it finds is wrong.
func (b *bench) verified(ctx context.Context) (breaches int, err error) {
	sealer := &chain.Sealer{Pool: b.db, Log: slog.New(slog.DiscardHandler)}
	for open := 1; open > 0; {
		if err := sealer.Look(ctx); err != nil {
			return 0, err
		}
		if err := b.db.QueryRow(ctx, `select count(*) from unit_movement where id > coalesce((select max(movement) from unit_seal), 0)`).Scan(&open); err != nil {
			return 0, fmt.Errorf("count what is not sealed: %w", err)
		}
	}
	var said strings.Builder
	if breaches, err = verify.Run(ctx, b.db, nil, &said); err == nil && breaches > 0 {
		_, err = io.WriteString(b.Progress, said.String())
	}
	return breaches, err
}
