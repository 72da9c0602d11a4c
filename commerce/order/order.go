package order

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// Limits.
const (
	MaxEmail  = 254 // bytes
	MaxName   = 120 // characters
	MaxRecent = 50  // orders in a list
	maxTitle  = 250
)

var (
	// ErrUnknown: no such order, or not yours.
	ErrUnknown = errors.New("no such order")
	// ErrState: the order cannot make this step.
	ErrState = errors.New("order cannot change so")
	// ErrHoldTaken: another order of this hold is under way or done.
	ErrHoldTaken = errors.New("this hold has an order already")
	// ErrEmail and ErrName are for the person who typed.
	ErrEmail = errors.New("an e-mail address looks like name@example.com")
	ErrName  = errors.New("a name has 1 to 120 characters")
)

// Line is one thing bought.
type Line struct {
	Variant  commerce.VariantID
	Product  commerce.ProductID
	Title    string
	Quantity int
	Unit     money.Amount
}

// Order is what a buyer has bought or is paying for.
type Order struct {
	ID      commerce.OrderID
	Hold    commerce.HoldID
	Show    commerce.ShowID
	Buyer   string
	Email   string
	Name    string
	State   State
	Total   money.Amount
	Lines   []Line
	Created time.Time
	// Receipt is the receipt's number for people, "" until the order is confirmed.
	Receipt string
}

// Contact checks what a buyer typed about themselves and gives it its one spelling.
func Contact(email, name string) (string, string, error) {
	var errs []error
	email = strings.TrimSpace(email)
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || len(email) > MaxEmail || !strings.Contains(email[strings.LastIndexByte(email, '@'):], ".") {
		errs = append(errs, ErrEmail)
	}
	name = strings.TrimSpace(name)
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxName || strings.ContainsFunc(name, unicode.IsControl) {
		errs = append(errs, ErrName)
	}
	return email, name, errors.Join(errs...)
}

// Create writes a pending order, whose total is the sum of its lines. created is false when the id is there
// already: the caller compares what it finds. ErrHoldTaken when the hold has another order that lives.
func Create(ctx context.Context, tx pgx.Tx, o Order) (_ Order, created bool, err error) {
	if o.Total, err = total(o.Lines); err != nil {
		return Order{}, false, err
	}
	o.State = Pending
	err = tx.QueryRow(ctx, `
		insert into orders (id, hold, show, buyer, email, name, state, total_minor, currency)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing returning created_at`,
		o.ID, o.Hold, o.Show, o.Buyer, o.Email, o.Name, o.State, o.Total.Minor, string(o.Total.Currency)).Scan(&o.Created)
	if errors.Is(err, pgx.ErrNoRows) {
		found, err := Get(ctx, tx, o.ID)
		return found, false, err
	}
	if schema.Violates(err, "orders_one_per_hold") {
		return Order{}, false, ErrHoldTaken
	}
	if err != nil {
		return Order{}, false, fmt.Errorf("create order %s: %w", o.ID, err)
	}
	for place, l := range o.Lines {
		_, err := tx.Exec(ctx, `
			insert into order_line (order_id, place, variant, product, title, quantity, unit_minor) values ($1, $2, $3, $4, $5, $6, $7)`,
			o.ID, place, l.Variant, l.Product, clip(l.Title), l.Quantity, l.Unit.Minor)
		if err != nil {
			return Order{}, false, fmt.Errorf("create order %s: %w", o.ID, err)
		}
	}
	return o, true, nil
}

func total(lines []Line) (sum money.Amount, err error) {
	if len(lines) == 0 {
		return sum, errors.New("an order needs a line")
	}
	sum.Currency = lines[0].Unit.Currency
	for _, l := range lines {
		price, err := l.Unit.Times(l.Quantity)
		if err != nil {
			return sum, fmt.Errorf("price of %s: %w", l.Variant, err)
		}
		if sum, err = sum.Add(price); err != nil {
			return sum, fmt.Errorf("total: %w", err)
		}
	}
	return sum, nil
}

func clip(title string) string {
	runes := []rune(title)
	return string(runes[:min(len(runes), maxTitle)])
}

// Confirm makes a pending order the buyer's, with a receipt number.
func Confirm(ctx context.Context, tx pgx.Tx, id commerce.OrderID) error {
	if err := Move(ctx, tx, id, Authorised); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `
		update orders set state = $2, version = version + 1, changed_at = now(), confirmed_at = now(), receipt = nextval('receipt_number')
		where id = $1 and state = any($3)`, id, Confirmed, sources(Confirmed))
	return moved(tag.RowsAffected(), err, id, Confirmed)
}

// Move makes one step of the machine, or fails with ErrState.
func Move(ctx context.Context, tx pgx.Tx, id commerce.OrderID, to State) error {
	if to == Confirmed {
		return errors.New("an order is confirmed by Confirm alone")
	}
	tag, err := tx.Exec(ctx, `
		update orders set state = $2, version = version + 1, changed_at = now() where id = $1 and state = any($3)`, id, to, sources(to))
	return moved(tag.RowsAffected(), err, id, to)
}

func moved(rows int64, err error, id commerce.OrderID, to State) error {
	if err != nil {
		return fmt.Errorf("order %s to %s: %w", id, to, err)
	}
	if rows == 0 {
		return fmt.Errorf("%w: %s to %s", ErrState, id, to)
	}
	return nil
}

const orderSQL = `
	select o.id, o.hold, o.show, o.buyer, o.email, o.name, o.state, o.total_minor, o.currency, o.created_at, coalesce(o.receipt, 0),
		array(select l.variant from order_line l where l.order_id = o.id order by l.place),
		array(select l.product from order_line l where l.order_id = o.id order by l.place),
		array(select l.title from order_line l where l.order_id = o.id order by l.place),
		array(select l.quantity from order_line l where l.order_id = o.id order by l.place),
		array(select l.unit_minor from order_line l where l.order_id = o.id order by l.place)
	from orders o`

// Get reads an order whoever asks; the caller decides who may see it.
func Get(ctx context.Context, q schema.Querier, id commerce.OrderID) (Order, error) {
	rows, err := q.Query(ctx, orderSQL+` where o.id = $1`, id)
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	o, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Order{}, ErrUnknown
	}
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return o, nil
}

// Recent lists the newest orders of a show that came to be, at most MaxRecent.
func Recent(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]Order, error) {
	rows, err := q.Query(ctx, orderSQL+` where o.show = $1 and o.receipt is not null order by o.created_at desc, o.id desc limit $2`, show, MaxRecent)
	if err != nil {
		return nil, fmt.Errorf("orders of %s: %w", show, err)
	}
	orders, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("orders of %s: %w", show, err)
	}
	return orders, nil
}

// Revenue is what a show has sold, by currency.
func Revenue(ctx context.Context, q schema.Querier, show commerce.ShowID) ([]money.Amount, error) {
	rows, err := q.Query(ctx, `
		select currency, sum(total_minor)::bigint from orders
		where show = $1 and state in ('confirmed', 'captured', 'fulfilled', 'settled') group by currency order by 2 desc`, show)
	if err != nil {
		return nil, fmt.Errorf("revenue of %s: %w", show, err)
	}
	amounts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a money.Amount, err error) {
		var currency string
		err = row.Scan(&currency, &a.Minor)
		a.Currency = money.Currency(currency)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("revenue of %s: %w", show, err)
	}
	return amounts, nil
}

// Bought says whether buyer has an order of this show that is confirmed and was not taken back.
func Bought(ctx context.Context, q schema.Querier, show commerce.ShowID, buyer string) (bought bool, err error) {
	var paid []string
	for _, s := range States() {
		if s.Paid() {
			paid = append(paid, string(s))
		}
	}
	err = q.QueryRow(ctx, "select exists (select from orders where buyer = $1 and show = $2 and state = any($3))", buyer, show, paid).Scan(&bought)
	if err != nil {
		return false, fmt.Errorf("orders of %s: %w", show, err)
	}
	return bought, nil
}

func scan(row pgx.CollectableRow) (Order, error) {
	var (
		o          Order
		currency   string
		receipt    int64
		variants   []commerce.VariantID
		products   []commerce.ProductID
		titles     []string
		quantities []int
		units      []int64
	)
	err := row.Scan(&o.ID, &o.Hold, &o.Show, &o.Buyer, &o.Email, &o.Name, &o.State, &o.Total.Minor, &currency, &o.Created, &receipt,
		&variants, &products, &titles, &quantities, &units)
	if err != nil {
		return Order{}, err
	}
	o.Created, o.Total.Currency = o.Created.UTC(), money.Currency(currency)
	if receipt > 0 {
		o.Receipt = fmt.Sprintf("R-%08d", receipt)
	}
	for i := range variants {
		o.Lines = append(o.Lines, Line{
			Variant: variants[i], Product: products[i], Title: titles[i], Quantity: quantities[i],
			Unit: money.Amount{Minor: units[i], Currency: o.Total.Currency},
		})
	}
	return o, nil
}
