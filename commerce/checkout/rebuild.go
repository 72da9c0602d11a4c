package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
)

// ErrNoList: the payment company's charges cannot be gone through.
var ErrNoList = errors.New("the charges of this payment company cannot be listed")

// Rebuild is for a Postgres that was restored from a backup, and has lost what was committed after it. A payment is
// committed before its company hears of it; so a charge of ours that no payment stands for is one of a purchase that is
// lost, and its money goes back whole. What was bought is not known to the company, and cannot be made again from there.
type Rebuild struct {
	DB       schema.Querier
	Provider payment.Provider
	Since    time.Time // of the backup, or before it
	// Do gives money back. Without it Run only says what it would do.
	Do bool
	// Say is told of each charge that belongs to nobody.
	Say func(charge payment.Charge, done string) error
}

// Rebuilt counts charges.
type Rebuilt struct {
	Seen     int // that the company made since then, with a reference like ours
	Known    int // that a payment stands for; nodes go on with those that are open
	Harmless int // that belong to nobody and took no money
	Voided   int // whose reservation was ended
	Refunded int // whose money went back
}

// Run may be repeated: what has gone back is harmless. No node should sell meanwhile, only because people cannot know yet
// what holds. Errors: ErrNoList, payment.ErrOutcomeUnknown, payment.ErrRejected.
func (r Rebuild) Run(ctx context.Context) (out Rebuilt, err error) {
	all, can := r.Provider.(payment.Lister)
	if !can {
		return out, ErrNoList
	}
	for charge, err := range all.Charges(ctx, r.Since) {
		if err != nil {
			return out, fmt.Errorf("rebuild: %w", err)
		}
		id, err := commerce.Parse[commerce.PaymentID](charge.Reference)
		if err != nil {
			continue // the company works for others, too
		}
		out.Seen++
		if _, err := payment.Get(ctx, r.DB, id); err == nil {
			out.Known++
			continue
		} else if !errors.Is(err, payment.ErrUnknownPayment) {
			return out, fmt.Errorf("rebuild: %w", err)
		}
		if err := r.orphan(ctx, charge, &out); err != nil {
			return out, fmt.Errorf("rebuild: charge %s of %s: %w", charge.ID, charge.Reference, err)
		}
	}
	return out, nil
}

// orphan gives the money of a charge back that belongs to nobody.
func (r Rebuild) orphan(ctx context.Context, charge payment.Charge, out *Rebuilt) (err error) {
	done := ""
	switch {
	case charge.Status == payment.ChargeAuthorised || charge.Status == payment.ChargeRequiresAction:
		done = "voided"
		out.Voided++
		if r.Do {
			_, err = r.Provider.Void(ctx, payment.Authorisation{Reference: charge.Reference, Amount: charge.Amount})
		}
	case charge.Captured > charge.Refunded:
		done = "refunded"
		out.Refunded++
		if r.Do {
			rest := money.Amount{Minor: charge.Captured - charge.Refunded, Currency: charge.Amount.Currency}
			_, err = r.Provider.Refund(ctx, charge.ID, rest, "lost:"+charge.Reference)
		}
	default:
		out.Harmless++
		return nil
	}
	if err != nil {
		return err
	}
	return r.Say(charge, done)
}
