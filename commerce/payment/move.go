package payment

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Begin is a payment that this caller has begun: it is what QueueCreate writes, so that it need not be read.
func Begin(p Payment) Payment {
	p.State, p.Attempts = Sent, 1
	return p
}

// QueueCreate adds to a batch that payments are written which their writer drives (Begin): the row is there before the
// call, and whoever finds it later knows that a call may have been made. payFor is how long the buyer's units wait for the
// outcome.
func QueueCreate(batch *pgx.Batch, payments []Payment, payFor time.Duration) {
	batch.Queue(`
		insert into payment (id, order_id, hold, provider, state, amount_minor, currency, token, return_to, attempts, driven_until, next_at, deadline)
		select id, order_id, hold, provider, 'sent', amount, currency, token, nullif(return_to, ''), 1,
			now() + $9::interval, now() + $9::interval + interval '1 second', now() + $10::interval
		from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[])
			as w(id, order_id, hold, provider, amount, currency, token, return_to)`,
		schema.Column(payments, func(p *Payment) commerce.PaymentID { return p.ID }), schema.Column(payments, func(p *Payment) commerce.OrderID { return p.Order }),
		schema.Column(payments, func(p *Payment) commerce.HoldID { return p.Hold }), schema.Column(payments, func(p *Payment) string { return p.Provider }),
		schema.Column(payments, func(p *Payment) int64 { return p.Amount.Minor }), schema.Column(payments, func(p *Payment) string { return string(p.Amount.Currency) }),
		schema.Column(payments, func(p *Payment) string { return p.Token }), schema.Column(payments, func(p *Payment) string { return p.Return }), DriveFor, payFor)
}

// News is what a step writes besides the state.
type News struct {
	ID       commerce.PaymentID
	Charge   string
	Decline  string
	Action   string // needed for RequiresAction, and for nothing else
	Captured int64
}

// QueueMove adds to a batch that payments make one step of the machine, which ends their drives, and calls moved for each
// that did. next_at is null as soon as nobody has to see to it. (No index has the state, but it is hidden all the same: payments
// are found by id.)
func QueueMove(batch *pgx.Batch, to State, news []News, moved func(commerce.PaymentID)) {
	batch.Queue(`
		update payment p set state = $1, charge = coalesce(nullif(w.charge, ''), p.charge), decline = coalesce(nullif(w.decline, ''), p.decline),
			captured_minor = captured_minor + w.captured, driven_until = null, changed_at = now(),
			token = case when $1 in ('intent', 'sent', 'unknown') then token end,
			return_to = case when $1 in ('intent', 'sent', 'unknown', 'requires_action') then return_to end,
			action = case when $1 = 'requires_action' then nullif(w.action, '') when $1 in ('sent', 'unknown') then p.action end,
			next_at = case $1 when 'unknown' then now() + least($8::interval, interval '1 second' * power(2, least(attempts, 10)))
				when 'requires_action' then least(greatest(deadline, now()), now() + least($10::interval, greatest($9::interval, (now() - created_at) / 2)))
				else case when $1 = any($11) then now() end end
		from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[]) as w(id, charge, decline, action, captured)
		where p.id = w.id and p.state || '' = any($7) returning p.id`,
		to, schema.Column(news, func(n *News) commerce.PaymentID { return n.ID }), schema.Column(news, func(n *News) string { return n.Charge }),
		schema.Column(news, func(n *News) string { return n.Decline[:min(len(n.Decline), maxDecline)] }), schema.Column(news, func(n *News) string { return n.Action }),
		schema.Column(news, func(n *News) int64 { return n.Captured }), sources(to), maxBackoff, firstLook, lastLook, dueStates,
	).Query(func(rows pgx.Rows) error {
		var id commerce.PaymentID
		_, err := pgx.ForEachRow(rows, []any{&id}, func() error { moved(id); return nil })
		return err
	})
}

// Move is QueueMove of one payment, or fails with ErrState.
func Move(ctx context.Context, tx pgx.Tx, id commerce.PaymentID, to State, n News) error {
	n.ID = id
	batch, ok := &pgx.Batch{}, false
	schema.ByKey(batch)
	QueueMove(batch, to, []News{n}, func(commerce.PaymentID) { ok = true })
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("payment %s to %s: %w", id, to, err)
	}
	if !ok {
		return fmt.Errorf("%w: %s to %s", ErrState, id, to)
	}
	return nil
}
