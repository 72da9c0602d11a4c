package rush

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
)

// stepwise is how many whole purchases a second many shops' way brings: the rows that Rialto writes for one, but a
// transaction for each step of each buyer, with the rows that decide locked first and compared in the application. The
// tables are copies of ours with the same columns, checks and indexes, without triggers and foreign keys. The payment
// company answers at once, and costs nothing.
func (b *bench) stepwise(ctx context.Context) (float64, error) {
	if _, err := b.db.Exec(ctx, `
		drop schema if exists stepwise cascade;
		create schema stepwise;
		create table stepwise.pool (like pool including all);
		create table stepwise.hold (like hold including all);
		create table stepwise.orders (like orders including all);
		create table stepwise.order_line (like order_line including all);
		create table stepwise.order_delivery (like order_delivery including all);
		create table stepwise.payment (like payment including all);
		create table stepwise.ledger_transaction (like ledger_transaction including all);
		create table stepwise.outbox (like outbox including all)`); err != nil {
		return 0, fmt.Errorf("prepare the tables of steps: %w", err)
	}
	pool, show := commerce.NewID[commerce.PoolID](), commerce.NewID[commerce.ShowID]()
	if _, err := b.db.Exec(ctx, `insert into stepwise.pool (id, show, variant, on_hand) values ($1, $2, $2, $3)`, pool, show, plenty); err != nil {
		return 0, fmt.Errorf("prepare the tables of steps: %w", err)
	}
	perSecond, err := b.clients(ctx, func(ctx context.Context) error {
		s := steps{
			bench: b, pool: pool, show: show, buyer: commerce.NewID[commerce.GuestID]().String(),
			hold: commerce.NewID[commerce.HoldID](), order: commerce.NewID[commerce.OrderID](), payment: commerce.NewID[commerce.PaymentID](),
		}
		for _, step := range []func(context.Context, pgx.Tx) error{s.reserve, s.pay, s.send, s.confirm, s.capture} {
			if err := pgx.BeginFunc(ctx, b.db, func(tx pgx.Tx) error { return step(ctx, tx) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("buy step by step: %w", err)
	}
	return perSecond, nil
}

// steps is one purchase.
type steps struct {
	*bench
	pool    commerce.PoolID
	show    commerce.ShowID
	buyer   string
	hold    commerce.HoldID
	order   commerce.OrderID
	payment commerce.PaymentID
}

var errStep = errors.New("a row is not as it was left")

// expect locks a row and compares its state.
func (s steps) expect(ctx context.Context, tx pgx.Tx, table string, id any, want string) error {
	var state string
	err := tx.QueryRow(ctx, `select state from stepwise.`+table+` where id = $1 for update`, id).Scan(&state)
	if err == nil && state != want {
		err = fmt.Errorf("%w: %s is %s", errStep, table, state)
	}
	return err
}

// each runs statements one after the other.
func (s steps) each(ctx context.Context, tx pgx.Tx, statements ...[]any) error {
	for _, one := range statements {
		if _, err := tx.Exec(ctx, one[0].(string), one[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func (s steps) reserve(ctx context.Context, tx pgx.Tx) error {
	var free int
	if err := tx.QueryRow(ctx, `select on_hand - taken from stepwise.pool where id = $1 for update`, s.pool).Scan(&free); err != nil {
		return err
	}
	if free < 1 {
		return fmt.Errorf("%w: sold out", errStep)
	}
	return s.each(ctx, tx,
		[]any{`insert into stepwise.hold (id, pool, buyer, quantity, state, unit_minor, currency, source, expires_at, lapses_at)
			values ($1, $2, $3::text, 1, 'held', 4900, 'EUR', hashtextextended($3::text, 0), now() + interval '5 minutes', now() + interval '5 minutes')`, s.hold, s.pool, s.buyer},
		[]any{`update stepwise.pool set taken = taken + 1 where id = $1`, s.pool})
}

func (s steps) pay(ctx context.Context, tx pgx.Tx) error {
	if err := s.expect(ctx, tx, "hold", s.hold, "held"); err != nil {
		return err
	}
	return s.each(ctx, tx,
		[]any{`update stepwise.hold set state = 'paying', lapses_at = null, version = version + 1, changed_at = now() where id = $1`, s.hold},
		[]any{`insert into stepwise.orders (id, hold, show, buyer, email, name, state, total_minor, currency, goods_minor, delivery_minor, tax_minor, tax_rate,
				tax_included, tax_kind, tax_region, zone)
			values ($1, $2, $3, $4, 'vic@example.com', 'Vic', 'pending', 5390, 'EUR', 4900, 490, 972, 22000, true, 'VAT', 'IT', 'domestic')`,
			s.order, s.hold, s.show, s.buyer},
		[]any{`insert into stepwise.order_line (order_id, place, variant, product, title, quantity, unit_minor, owner)
			values ($1, 0, $2, $2, 'Copper pan 28 cm', 1, 4900, $2)`, s.order, s.show},
		[]any{`insert into stepwise.order_delivery (order_id, name, line1, line2, city, region, postcode, country)
			values ($1, 'Vic Rossi', 'Via del Ponte 4', '', 'Venezia', '', '30124', 'IT')`, s.order},
		[]any{`insert into stepwise.payment (id, order_id, hold, provider, state, amount_minor, currency, token, next_at, deadline)
			values ($1, $2, $3, 'stub', 'intent', 5390, 'EUR', 'tok_stub', now(), now() + interval '10 minutes')`, s.payment, s.order, s.hold})
}

func (s steps) send(ctx context.Context, tx pgx.Tx) error {
	if err := s.expect(ctx, tx, "payment", s.payment, "intent"); err != nil {
		return err
	}
	return s.each(ctx, tx, []any{`update stepwise.payment set state = 'sent', attempts = 1, changed_at = now() where id = $1`, s.payment})
}

func (s steps) confirm(ctx context.Context, tx pgx.Tx) error {
	for _, row := range []struct {
		table, state string
		id           any
	}{{"payment", "sent", s.payment}, {"hold", "paying", s.hold}, {"orders", "pending", s.order}} {
		if err := s.expect(ctx, tx, row.table, row.id, row.state); err != nil {
			return err
		}
	}
	return s.each(ctx, tx,
		[]any{`update stepwise.payment set state = 'authorised', charge = $2, token = null, changed_at = now() where id = $1`, s.payment, "ch_" + s.payment.String()},
		[]any{`update stepwise.hold set state = 'sold', version = version + 1, changed_at = now() where id = $1`, s.hold},
		[]any{`update stepwise.orders set state = 'confirmed', version = version + 1, changed_at = now(), confirmed_at = now(), receipt = nextval('receipt_number')
			where id = $1`, s.order},
		[]any{`insert into stepwise.ledger_transaction (ref, kind, currency, accounts, amounts)
			values ($1, 'sale', 'EUR', $2, '{5390,-4418,-972}')`, "sale:" + s.order.String(),
			[]string{"provider:stub:receivable", "creator:" + s.show.String() + ":payable", "tax:IT:payable"}},
		[]any{`insert into stepwise.outbox (lane, kind, ref, payload) values ('effect', 'payment.capture', $1, json_build_object('payment', $2::text))`,
			"cap:" + s.payment.String(), s.payment.String()})
}

func (s steps) capture(ctx context.Context, tx pgx.Tx) error {
	var id int64
	if err := tx.QueryRow(ctx, `select id from stepwise.outbox where lane = 'effect' and kind = 'payment.capture' and ref = $1 and done_at is null for update skip locked`,
		"cap:"+s.payment.String()).Scan(&id); err != nil {
		return err
	}
	for _, row := range []struct {
		table, state string
		id           any
	}{{"payment", "authorised", s.payment}, {"orders", "confirmed", s.order}} {
		if err := s.expect(ctx, tx, row.table, row.id, row.state); err != nil {
			return err
		}
	}
	return s.each(ctx, tx,
		[]any{`update stepwise.payment set state = 'captured', captured_minor = amount_minor, changed_at = now() where id = $1`, s.payment},
		[]any{`update stepwise.orders set state = 'captured', version = version + 1, changed_at = now() where id = $1`, s.order},
		[]any{`update stepwise.outbox set done_at = now(), attempts = attempts + 1 where id = $1`, id})
}
