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
	"github.com/rialto-live/rialto/commerce/delivery"
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
	Owner    commerce.AccountID // of the product when it was bought: who sends it
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
	Total   money.Amount // Costs.Total: what is charged
	Costs   delivery.Costs
	Lines   []Line
	Created time.Time
	// Delivery is where it goes; nil for orders of before addresses were asked for.
	Delivery *delivery.Address
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

// Create writes a pending order with its costs, whose goods are the sum of its lines, and its address, which Check has
// made. created is false when the id is there already: the caller compares what it finds. ErrHoldTaken when the hold
// has another order that lives.
func Create(ctx context.Context, tx pgx.Tx, o Order) (_ Order, created bool, err error) {
	goods, err := goodsOf(o.Lines)
	if err != nil {
		return Order{}, false, err
	}
	if goods != o.Costs.Goods || o.Delivery == nil {
		return Order{}, false, fmt.Errorf("create order %s: lines of %v, costs of %v, and it needs an address", o.ID, goods, o.Costs.Goods)
	}
	c := o.Costs
	o.State, o.Total = Pending, c.Total
	err = tx.QueryRow(ctx, `
		insert into orders (id, hold, show, buyer, email, name, state, total_minor, currency,
			goods_minor, delivery_minor, tax_minor, tax_rate, tax_included, tax_kind, tax_region, zone)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) on conflict (id) do nothing returning created_at`,
		o.ID, o.Hold, o.Show, o.Buyer, o.Email, o.Name, o.State, o.Total.Minor, string(o.Total.Currency),
		c.Goods.Minor, c.Delivery.Minor, c.Tax.Amount.Minor, c.Tax.Rate, c.Tax.Included, c.Tax.Kind, c.Tax.Region, c.Zone).Scan(&o.Created)
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
	if err := o.createParts(ctx, tx); err != nil {
		return Order{}, false, err
	}
	return o, true, nil
}

func (o Order) createParts(ctx context.Context, tx pgx.Tx) error {
	for place, l := range o.Lines {
		_, err := tx.Exec(ctx, `
			insert into order_line (order_id, place, variant, product, title, quantity, unit_minor, owner, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			o.ID, place, l.Variant, l.Product, clip(l.Title), l.Quantity, l.Unit.Minor, l.Owner, o.Created)
		if err != nil {
			return fmt.Errorf("create order %s: %w", o.ID, err)
		}
	}
	to := *o.Delivery
	_, err := tx.Exec(ctx, `
		insert into order_delivery (order_id, name, line1, line2, city, region, postcode, country) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		o.ID, to.Name, to.Line1, to.Line2, to.City, to.Region, to.Postcode, to.Country)
	if err != nil {
		return fmt.Errorf("create order %s: where it goes: %w", o.ID, err)
	}
	return nil
}

func goodsOf(lines []Line) (sum money.Amount, err error) {
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
