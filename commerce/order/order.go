package order

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
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

// Valid says what is wrong with an order that shall be written: its goods are the sum of its lines, and delivery's Check
// has made its address.
func (o *Order) Valid() error {
	goods, err := goodsOf(o.Lines)
	if err == nil && (goods != o.Costs.Goods || o.Delivery == nil) {
		err = fmt.Errorf("lines of %v, costs of %v, and it needs an address", goods, o.Costs.Goods)
	}
	if err != nil {
		return fmt.Errorf("create order %s: %w", o.ID, err)
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
