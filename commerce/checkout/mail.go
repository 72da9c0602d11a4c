package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/show"
)

const (
	// EffectOrderMail mails the buyer of a confirmed order their receipt; EffectEndedMail mails that an order did not
	// come to be, to whoever had left for their bank and may never see our page again.
	EffectOrderMail = "mail.order"
	EffectEndedMail = "mail.ended"

	mailDay = "2 January 2006"
)

// aboutOrder is the payload of both. What the mail says is read when it is made.
type aboutOrder struct {
	Order commerce.OrderID `json:"order"`
}

// receiptMail has the receipt of an order mailed, once.
func receiptMail(id commerce.OrderID) outbox.EffectRow {
	return outbox.EffectRow{Kind: EffectOrderMail, ID: "mail:order:" + id.String(), Payload: aboutOrder{Order: id}}
}

// writeEnded has it mailed that an order does not come to be, once, if its buyer was sent to their bank: before is the
// payment as it was until now.
func (s *Service) writeEnded(ctx context.Context, tx pgx.Tx, before payment.Payment) error {
	if !s.Mail.On() || !before.Waits() {
		return nil
	}
	return outbox.Effect(ctx, tx, EffectEndedMail, "mail:ended:"+before.Order.String(), aboutOrder{Order: before.Order}, time.Time{})
}

// mailReceipt is an outbox handler.
func (s *Service) mailReceipt(ctx context.Context, m outbox.Message) error {
	o, err := s.mailed(ctx, m)
	if err != nil {
		return err
	}
	if o.Receipt == "" {
		return outbox.Permanent(fmt.Errorf("effect %s: the order is %s", m.ID, o.State))
	}
	of, err := show.Get(ctx, s.Pool, o.Show)
	if err != nil {
		return err
	}
	l, err := s.receipt(o, of)
	if err != nil {
		return outbox.Permanent(err)
	}
	return s.Mail.Send(ctx, m, o.Email, l)
}

func (s *Service) receipt(o order.Order, of show.Show) (mail.Letter, error) {
	link, err := s.OrderURL(o.ID, o.Created)
	if err != nil {
		return mail.Letter{}, err
	}
	l := mail.Letter{
		Subject: "Receipt " + o.Receipt + ": " + titles(o),
		Heading: "Thank you, " + o.Name + ". It is yours.",
		Words:   []string{"You bought this in “" + of.Title + "”, a show by " + of.CreatorName + ", on " + o.Created.Format(mailDay) + "."},
		Blocks:  []mail.Block{{Title: "Receipt", Lines: []string{o.Receipt}}},
		Small:   []string{"Whoever has the link to your order can read it. Keep it to yourself."},
	}
	if link != "" {
		l.Button = mail.Button{Text: "Open your order", URL: link}
	}
	for _, line := range o.Lines {
		price, err := line.Unit.Times(line.Quantity)
		if err != nil {
			return mail.Letter{}, err
		}
		row := mail.Row{Name: line.Title, Value: price.String()}
		if line.Quantity > 1 {
			row.Detail = fmt.Sprintf("%d × %s", line.Quantity, line.Unit)
		}
		l.Bill = append(l.Bill, row)
	}
	l.Bill = append(l.Bill, costs(o)...)
	if o.Delivery != nil {
		l.Blocks = append(l.Blocks, mail.Block{Title: "Goes to", Lines: label(*o.Delivery)})
	}
	return l, nil
}

// costs is what is on a bill below the goods. A tax that is in the prices already stands below the total.
func costs(o order.Order) (rows []mail.Row) {
	c := o.Costs
	if o.Delivery != nil {
		row := mail.Row{Name: "Delivery", Value: c.Delivery.String()}
		if c.Delivery.Minor == 0 {
			row.Value = "free"
		}
		rows = append(rows, row)
	}
	tax := mail.Row{Name: c.Tax.Name(), Value: c.Tax.Amount.String()}
	if tax.Name != "" && !c.Tax.Included {
		rows = append(rows, tax)
	}
	rows = append(rows, mail.Row{Name: "Total", Value: o.Total.String(), Strong: true})
	if tax.Name != "" && c.Tax.Included {
		tax.Name = "of which " + tax.Name
		rows = append(rows, tax)
	}
	return rows
}

// label is an address with its country in words: a page has the browser for that, a mail has not.
func label(a delivery.Address) []string {
	lines := a.Lines()
	if region, err := language.ParseRegion(a.Country); err == nil {
		lines[len(lines)-1] = display.English.Regions().Name(region)
	}
	return lines
}

// mailEnded is an outbox handler. It waits until the payment company has said that it can take no money.
func (s *Service) mailEnded(ctx context.Context, m outbox.Message) error {
	o, err := s.mailed(ctx, m)
	if err != nil {
		return err
	}
	p, err := payment.OfOrder(ctx, s.Pool, o.ID)
	switch {
	case err != nil:
		return err
	case p.State.Due():
		return outbox.Unavailable(fmt.Errorf("effect %s: the payment is %s", m.ID, p.State))
	case p.State != payment.Voided:
		return nil // it came to be after all, or its buyer was told otherwise
	}
	l := mail.Letter{
		Subject: "Nothing was taken: " + titles(o),
		Heading: "Nothing was taken",
		// Whoever did not pay may have typed anybody's address, so nothing that they typed is said here.
		Words: []string{
			"The payment of " + o.Total.String() + " for " + titles(o) + " was not completed, so the order was not made. Nothing was taken from your card.",
			"If your bank shows the amount as reserved, it lets go of it by itself.",
			"What was held for you has gone back to the show. While there is some left you can buy it again.",
		},
	}
	link, err := s.OrderURL(o.ID, o.Created)
	if err != nil {
		return outbox.Permanent(err)
	}
	if link != "" {
		l.Button = mail.Button{Text: "Look at the order", URL: link}
	}
	return s.Mail.Send(ctx, m, o.Email, l)
}

// mailed reads the order that a mail is about.
func (s *Service) mailed(ctx context.Context, m outbox.Message) (order.Order, error) {
	var about aboutOrder
	if err := json.Unmarshal(m.Data, &about); err != nil {
		return order.Order{}, outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	o, err := order.Get(ctx, s.Pool, about.Order)
	if errors.Is(err, order.ErrUnknown) {
		return order.Order{}, outbox.Permanent(fmt.Errorf("effect %s: %w", m.ID, err))
	}
	return o, err
}

// titles is what an order is about, in a few words.
func titles(o order.Order) string {
	switch len(o.Lines) {
	case 0:
		return "your order"
	case 1:
		return o.Lines[0].Title
	}
	return fmt.Sprintf("%s and %d more", o.Lines[0].Title, len(o.Lines)-1)
}
