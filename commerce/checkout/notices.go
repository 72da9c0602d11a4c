package checkout

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/payment"
)

const (
	noticeBatch = 64
	// strangeFor is how long a notice about a payment that nobody knows is tried again.
	strangeFor = 10 * time.Minute
	// compareFor is how long a payment whose outcome is known is compared again when its provider does not answer.
	compareFor = 24 * time.Hour
	busyPause  = 100 * time.Millisecond
	maxPause   = 5 * time.Minute
	sweepEvery = 10 * time.Minute
	// captureWithin is when money that is not taken becomes an alarm; reservations last for days.
	captureWithin = 6 * time.Hour
)

// What became of a notice, in the metric.
const (
	noticeAsked     = "asked"     // the provider was asked, and its answer merged
	noticeAgreed    = "agreed"    // the outcome was known, and the provider says the same
	noticeDisagreed = "disagreed" // it says something else: a person must look
	noticeStrange   = "strange"   // no payment of ours
	noticeSilent    = "silent"    // the provider never answered
)

// Noticed says that a notice was received, so that it is not left until the next look.
func (s *Service) Noticed() {
	select {
	case s.noticed <- struct{}{}:
	default: // somebody is on the way
	}
}

// drain works off what payment companies tell, whichever node received it.
func (s *Service) drain(ctx context.Context) error {
	look, sweep := time.NewTicker(s.Config.Redrive), time.NewTicker(sweepEvery)
	defer look.Stop()
	defer sweep.Stop()
	var soon <-chan time.Time // one of them was busy
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sweep.C:
			if _, err := payment.SweepEvents(ctx, s.Pool); err != nil && ctx.Err() == nil {
				s.Log.Warn("old notices stay a little longer", "error", err)
			}
			if err := s.watchCaptures(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("nobody knows whether all money is taken", "error", err)
			}
		case <-look.C:
		case <-soon:
		case <-s.noticed:
		}
		soon = nil
		for found := noticeBatch; found == noticeBatch && ctx.Err() == nil; {
			var busy bool
			var err error
			if found, busy, err = s.DrainNotices(ctx); err != nil && ctx.Err() == nil {
				s.Log.Warn("some notices of the payment company are still open", "error", err)
			}
			if busy {
				soon = time.After(busyPause)
			}
			if err != nil {
				break
			}
		}
	}
}

// watchCaptures is the alarm before a reservation ends: a capture is repeated until it is done or put aside, and either
// way somebody must know when it takes hours.
func (s *Service) watchCaptures(ctx context.Context) error {
	n, oldest, err := uncaptured(ctx, s.Pool, captureWithin)
	if err != nil {
		return err
	}
	s.uncaptured.Set(float64(n))
	if n > 0 {
		s.Log.Error("money of confirmed orders is not taken, and its reservation will end", "payments", n, "oldest", oldest)
	}
	return nil
}

// DrainNotices works once on each notice that is due, and says how many it found. busy: some of them could not be
// asked about, because somebody was just asking.
func (s *Service) DrainNotices(ctx context.Context) (found int, busy bool, err error) {
	if !s.Payments() {
		return 0, false, nil
	}
	events, err := payment.Claim(ctx, s.Pool, s.Name, noticeBatch)
	if err != nil {
		return 0, false, err
	}
	errs := make([]error, len(events))
	var waits atomic.Bool
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, e := range events {
		group.Go(func() error {
			again, err := s.heed(ctx, e)
			if again {
				waits.Store(true)
			}
			if err != nil {
				errs[i] = fmt.Errorf("notice %s: %w", e.ID, err)
			}
			return nil
		})
	}
	_ = group.Wait() // one that fails does not stop the others; it is claimed again when its lease is over
	return len(events), waits.Load(), errors.Join(errs...)
}

// heed asks because of a notice. What the notice says is never believed.
func (s *Service) heed(ctx context.Context, e payment.Event) (busy bool, err error) {
	p, err := payment.OfEvent(ctx, s.Pool, e)
	switch {
	case errors.Is(err, payment.ErrUnknownPayment):
		if e.Age < strangeFor {
			return false, e.Again(ctx, s.Pool, pauseOf(e))
		}
		s.Log.Warn("the payment company tells of a payment that is not ours", "event", e.ID, "kind", e.Kind)
		return false, s.close(ctx, e, noticeStrange, "no payment of ours")
	case err != nil:
		return false, err
	case !p.State.Due():
		return s.compare(ctx, e, p)
	}
	err = s.drive(ctx, p.ID, true)
	switch {
	case errors.Is(err, payment.ErrBusy):
		return true, e.Again(ctx, s.Pool, busyPause)
	case err != nil:
		// It has been asked; from here the payment is due by itself until it is known.
		s.Log.Warn("a notice was heeded, and there is no answer yet", "payment", p.ID, "error", err)
		return false, s.close(ctx, e, noticeAsked, "asked; no answer yet")
	}
	return false, s.close(ctx, e, noticeAsked, "asked")
}

// compare looks whether the provider agrees with an outcome that we know already. It changes nothing: captured money
// is not given back and a confirmed order not taken away because of a message. But no difference is hidden.
func (s *Service) compare(ctx context.Context, e payment.Event, p payment.Payment) (busy bool, err error) {
	charge, err := s.find(ctx, p)
	switch {
	case errors.Is(err, payment.ErrNotFound):
		charge.Status = "none"
	case err != nil && e.Age < compareFor:
		return false, e.Again(ctx, s.Pool, pauseOf(e))
	case err != nil:
		return false, s.close(ctx, e, noticeSilent, "the outcome was known; nobody answered")
	}
	if agree(p, charge) {
		return false, s.close(ctx, e, noticeAgreed, "known already")
	}
	now, err := payment.Get(ctx, s.Pool, p.ID)
	if err != nil {
		return false, err
	}
	if now.State != p.State {
		return true, e.Again(ctx, s.Pool, busyPause) // it was on its way
	}
	s.disagreements.WithLabelValues(string(p.State), string(charge.Status)).Inc()
	s.Log.Error("the payment company disagrees about a payment; a person must look", "payment", p.ID, "order", p.Order, "charge", charge.ID,
		"ours", p.State, "theirs", charge.Status, "amount", p.Amount.Minor, "captured", charge.Captured, "refunded", charge.Refunded)
	return false, s.close(ctx, e, noticeDisagreed, fmt.Sprintf("we have %s; they have %s, captured %d, refunded %d",
		p.State, charge.Status, charge.Captured, charge.Refunded))
}

// agree says whether a charge is what our record of its outcome means.
func agree(p payment.Payment, c payment.Charge) bool {
	captured := c.Status == payment.ChargeCaptured && c.Captured == p.Amount.Minor && c.Refunded == 0
	switch p.State {
	case payment.Authorised: // its capture may have been made, and not yet noted
		return captured || c.Status == payment.ChargeAuthorised && c.Amount == p.Amount
	case payment.Captured:
		return captured
	case payment.Failed, payment.Voided: // it can take no money
		return c.Status == payment.ChargeDeclined || c.Status == payment.ChargeVoided || c.Status == "none" ||
			p.State == payment.Voided && c.Captured > 0 && c.Refunded == c.Captured // see giveBack
	}
	return false
}

// find reads a payment's charge.
func (s *Service) find(ctx context.Context, p payment.Payment) (payment.Charge, error) {
	if p.Charge != "" {
		return s.Provider.Get(ctx, p.Charge)
	}
	return s.Provider.FindByReference(ctx, p.Reference())
}

func (s *Service) close(ctx context.Context, e payment.Event, result, note string) error {
	crash.Here("checkout.noticed")
	if err := e.Done(ctx, s.Pool, note); err != nil {
		return err
	}
	s.notices.WithLabelValues(result).Inc()
	return nil
}

// pauseOf grows with each try.
func pauseOf(e payment.Event) time.Duration {
	return min(maxPause, time.Second<<min(e.Attempts, 10))
}
