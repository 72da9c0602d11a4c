package payment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

const (
	// CallTimeout bounds one call to a provider.
	CallTimeout = 10 * time.Second
	// DriveFor is how long one caller has a payment to itself: longer than all of its calls.
	DriveFor = 30 * time.Second
	// While the buyer confirms at their bank the provider is asked again after half of the time that it has taken
	// so far, within these: a webhook that never comes costs seconds.
	firstLook = 3 * time.Second
	lastLook  = 30 * time.Second

	maxBackoff = time.Minute
	maxDecline = 64 // bytes
)

var (
	// ErrState: the payment cannot make this step.
	ErrState = errors.New("payment cannot change so")
	// ErrBusy: somebody else is driving it just now.
	ErrBusy = errors.New("payment is being driven")
	// ErrElsewhere: another company has it than the one that is set up now. Nobody else can say what became of its money.
	ErrElsewhere = fmt.Errorf("another payment company has this payment: %w", ErrOutcomeUnknown)
	// ErrUnknownPayment: no such record.
	ErrUnknownPayment = errors.New("no such payment")
)

// Payment is our record of one try.
type Payment struct {
	ID       commerce.PaymentID
	Order    commerce.OrderID
	Hold     commerce.HoldID
	Provider string
	State    State
	Amount   money.Amount
	Token    string
	Charge   string // the provider's id, once known
	Decline  string
	Action   string // where the buyer confirms, while Waits
	Return   string // where they come back to, until the outcome is known
	Attempts int
	Deadline time.Time
	// Late says that the deadline is over by Postgres' clock.
	Late bool
	// Quiet is how long nobody has asked the provider, nor begun to.
	Quiet time.Duration
}

// Elsewhere is ErrElsewhere, with the name of who has it.
func (p Payment) Elsewhere() error {
	return fmt.Errorf("%w: %s is with %s", ErrElsewhere, p.ID, p.Provider)
}

// Waits says whether the buyer has to confirm at Action, as far as is known.
func (p Payment) Waits() bool { return p.State.Open() && p.Action != "" }

// Reference is what the provider knows the payment by, and the idempotency key of its authorisation.
func (p Payment) Reference() string { return p.ID.String() }

// Authorisation asks a provider for the money.
func (p Payment) Authorisation() Authorisation {
	return Authorisation{Reference: p.Reference(), Amount: p.Amount, Token: p.Token, Return: p.Return}
}

// CaptureKey is the idempotency key of the capture. It is the payment's and not its order's: the company may have taken money
// for an order that a restored backup does not know, and whose buyer asks for it again.
func (p Payment) CaptureKey() string { return "cap:" + p.ID.String() }

const columns = `id, order_id, hold, provider, state, amount_minor, currency, coalesce(token, ''), coalesce(charge, ''), coalesce(decline, ''),
	coalesce(action, ''), coalesce(return_to, ''), attempts, deadline, deadline <= ` + schema.Usable + `,
	greatest(0, extract(epoch from clock_timestamp() - changed_at) * 1000)::bigint`

func scan(row pgx.Row) (Payment, error) {
	var p Payment
	var currency string
	var quiet int64
	err := row.Scan(&p.ID, &p.Order, &p.Hold, &p.Provider, &p.State, &p.Amount.Minor, &currency, &p.Token, &p.Charge, &p.Decline,
		&p.Action, &p.Return, &p.Attempts, &p.Deadline, &p.Late, &quiet)
	p.Amount.Currency, p.Quiet = money.Currency(currency), time.Duration(quiet)*time.Millisecond
	return p, err
}

// OfOrder reads an order's payment.
func OfOrder(ctx context.Context, q schema.Querier, id commerce.OrderID) (Payment, error) {
	return find(q.QueryRow(ctx, `select `+columns+` from payment where order_id = $1`, id))
}

// OfOrders reads the payments of many orders at once. An order that is not there has none.
func OfOrders(ctx context.Context, q schema.Querier, ids []commerce.OrderID) (map[commerce.OrderID]Payment, error) {
	of := make(map[commerce.OrderID]Payment, len(ids))
	if len(ids) == 0 {
		return of, nil
	}
	rows, err := q.Query(ctx, `select `+columns+` from payment where order_id = any($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}
	payments, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Payment, error) { return scan(row) })
	if err != nil {
		return nil, fmt.Errorf("read payments: %w", err)
	}
	for _, p := range payments {
		of[p.Order] = p
	}
	return of, nil
}

// QueueGet adds to a batch that many payments are read. They are there when it has been sent; an id that is not has none.
func QueueGet(batch *pgx.Batch, ids []commerce.PaymentID) map[commerce.PaymentID]Payment {
	of := make(map[commerce.PaymentID]Payment, len(ids))
	batch.Queue(`select `+columns+` from unnest($1::uuid[]) as w(of) join payment on id = w.of`, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			p, err := scan(rows)
			if err != nil {
				return err
			}
			of[p.ID] = p
		}
		return rows.Err()
	})
	return of
}

// Get reads a payment.
func Get(ctx context.Context, q schema.Querier, id commerce.PaymentID) (Payment, error) {
	return find(q.QueryRow(ctx, `select `+columns+` from payment where id = $1`, id))
}

func find(row pgx.Row) (Payment, error) {
	p, err := scan(row)
	if errors.Is(err, pgx.ErrNoRows) {
		return Payment{}, ErrUnknownPayment
	}
	if err != nil {
		return Payment{}, fmt.Errorf("read payment: %w", err)
	}
	return p, nil
}

// Drive claims a payment for one caller, who is about to call the provider: an open one becomes sent, and
// one that is to be ended voiding (so does an open one after its deadline). ErrBusy while another caller has
// it, ErrState when its outcome is known, ErrElsewhere when it is not the caller's provider that has it. before is how
// it was found.
func Drive(ctx context.Context, tx pgx.Tx, id commerce.PaymentID, provider string) (p, before Payment, err error) {
	p, err = find(tx.QueryRow(ctx, `select `+columns+` from payment where id = $1 for no key update`, id))
	if err != nil {
		return Payment{}, Payment{}, err
	}
	before = p
	to := Sent
	switch {
	case p.Provider != provider:
		return p, before, p.Elsewhere()
	case p.State == Voiding, p.State.Open() && p.Late:
		to = Voiding
	case !p.State.Open():
		return p, before, fmt.Errorf("%w: %s is %s", ErrState, id, p.State)
	}
	p, err = scan(tx.QueryRow(ctx, `
		update payment set state = $2, attempts = attempts + 1, driven_until = now() + $3::interval, changed_at = now(),
			action = case when $2 = 'sent' then action end,
			next_at = now() + least($3::interval * 2, interval '1 second' * power(2, least(attempts, 10)) + $3::interval)
		where id = $1 and (driven_until is null or driven_until <= now()) returning `+columns, id, to, DriveFor))
	if errors.Is(err, pgx.ErrNoRows) {
		return Payment{}, before, ErrBusy
	}
	if err != nil {
		return Payment{}, before, fmt.Errorf("drive payment %s: %w", id, err)
	}
	return p, before, nil
}

// Rest ends a drive that achieved nothing; the payment is due again after a pause that grows.
func Rest(ctx context.Context, q schema.Querier, id commerce.PaymentID) error {
	_, err := q.Exec(ctx, `
		update payment set driven_until = null, next_at = now() + least($2::interval, interval '1 second' * power(2, least(attempts, 10)))
		where id = $1 and state = any($3)`, id, maxBackoff, dueStates)
	if err != nil {
		return fmt.Errorf("rest payment %s: %w", id, err)
	}
	return nil
}

// Hurry makes a payment that waits for its buyer due soon, when it would be later.
func Hurry(ctx context.Context, q schema.Querier, id commerce.PaymentID, within time.Duration) error {
	_, err := q.Exec(ctx, `update payment set next_at = now() + $2::interval where id = $1 and state = $3 and next_at > now() + $2::interval`,
		id, within, RequiresAction)
	if err != nil {
		return fmt.Errorf("hurry payment %s: %w", id, err)
	}
	return nil
}

// Due lists payments of a provider whose outcome somebody must see to, the oldest first.
func Due(ctx context.Context, q schema.Querier, provider string, most int) ([]commerce.PaymentID, error) {
	rows, err := q.Query(ctx, `
		select id from payment where next_at <= now() and state in ('intent', 'sent', 'unknown', 'requires_action', 'voiding')
			and (driven_until is null or driven_until <= now()) and provider = $1 order by next_at limit $2`, provider, most)
	if err != nil {
		return nil, fmt.Errorf("due payments: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[commerce.PaymentID])
	if err != nil {
		return nil, fmt.Errorf("due payments: %w", err)
	}
	return ids, nil
}
