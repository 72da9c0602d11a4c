package stock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/gather"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// A hold may have several lines, each of another pool. The gates of its pools, which may be on several servers, admit its lines one
// after the other, together with everybody's taps; what they admitted goes back when one of them refuses. Then one transaction
// in Postgres decides about all lines, and about those of others who come at once (basketclaim.go): whoever hears "yours" has all of
// theirs, and nobody ever has some.

// Basket is a buyer's wish for units of several pools of one show: of all of them, or of none.
type Basket struct {
	ID     commerce.HoldID // made by the client; the idempotency key
	Buyer  string          // a subject
	Source string          // where it comes from, opaque ("" is not limited)
	Lines  []Line          // in any order; those of one pool are summed
}

// Line is one of a basket's wishes.
type Line struct {
	Pool     commerce.PoolID
	Quantity int
	Unit     money.Amount // the price of Offer
	Offer    int64        // the pool's offer version that Unit belongs to
}

// LineError says which pool has an error of HoldAll.
type LineError struct {
	Pool  commerce.PoolID
	cause error
}

func (e *LineError) Error() string { return fmt.Sprintf("pool %s: %v", e.Pool, e.cause) }
func (e *LineError) Unwrap() error { return e.cause }

// taps are the basket's lines in the order of their pools, one for each pool. The first has the basket's id, and the others' ids
// follow from it, so that the same basket is the same rows whoever it comes to.
func (b Basket) taps() ([]Tap, error) {
	if len(b.Lines) == 0 || len(b.Lines) > MaxLines {
		return nil, fmt.Errorf("%w: %d lines, 1 to %d are possible", ErrQuantity, len(b.Lines), MaxLines)
	}
	var taps []Tap
	for _, l := range b.Lines {
		if l.Unit.Currency != b.Lines[0].Unit.Currency {
			return nil, fmt.Errorf("%w: lines in %s and %s", ErrQuantity, b.Lines[0].Unit.Currency, l.Unit.Currency)
		}
		tap := Tap{ID: b.ID, Pool: l.Pool, Buyer: b.Buyer, Quantity: l.Quantity, Unit: l.Unit, Offer: l.Offer, Source: b.Source}
		if err := tap.validate(); err != nil {
			return nil, &LineError{l.Pool, err}
		}
		at := slices.IndexFunc(taps, func(t Tap) bool { return t.Pool == l.Pool })
		switch {
		case at < 0:
			taps = append(taps, tap)
		case taps[at].Offer != l.Offer || taps[at].Unit != l.Unit:
			return nil, &LineError{l.Pool, ErrOfferChanged} // one of them is not the present one
		default:
			taps[at].Quantity += l.Quantity
			if err := taps[at].validate(); err != nil {
				return nil, &LineError{l.Pool, err}
			}
		}
	}
	slices.SortFunc(taps, func(a, b Tap) int { return bytes.Compare(a.Pool[:], b.Pool[:]) })
	for i := 1; i < len(taps); i++ {
		taps[i].ID = lineID(b.ID, taps[i].Pool)
	}
	return taps, nil
}

// lineID is the id of a hold's line of a pool: beside the hold's own in an index, and nothing that anybody else would think of.
func lineID(of commerce.HoldID, pool commerce.PoolID) (id commerce.HoldID) {
	const sorted = 8 // bytes of a UUIDv7 until its random part
	sum := sha256.Sum256(append(of[:], pool[:]...))
	copy(id[:sorted], of[:sorted])
	id[sorted] = 0x80 | sum[0]&0x3f // RFC 9562 section 4.1: the variant
	copy(id[sorted+1:], sum[1:])
	return id
}

// HoldAll takes all units of a basket for a buyer, or none, or repeats the answer that its id had. It returns only after the hold
// is durable. When ctx ends first the basket goes on without its caller: the same id finds the result. Errors are
// those of Hold, most of them a *LineError.
func (s *Service) HoldAll(ctx context.Context, b Basket) (Hold, error) {
	taps, err := b.taps()
	if err != nil {
		return Hold{}, err
	}
	if len(taps) == 1 {
		return s.Hold(ctx, taps[0])
	}
	if err := schema.Outside(ctx); err != nil {
		return Hold{}, fmt.Errorf("hold: %w", err)
	}
	type result struct {
		hold Hold
		err  error
	}
	done := make(chan result, 1)
	if !s.start(fromOutside, func(ctx context.Context) {
		h, err := s.holdAll(ctx, b.ID, taps)
		s.metrics.answered(err)
		done <- result{h, err}
	}) {
		return Hold{}, fmt.Errorf("%w: stopping", ErrUnavailable)
	}
	select {
	case got := <-done:
		return got.hold, got.err
	case <-ctx.Done():
		return Hold{}, fmt.Errorf("hold %s: %w", b.ID, context.Cause(ctx))
	}
}

var (
	// errAgain: nothing has been done, and another round may do it.
	errAgain = errors.New("a pool has changed meanwhile")
	// errKnown: an id of the basket is no new one. Nothing has been done.
	errKnown = errors.New("the basket is known")
)

// basket is one on its way.
type basket struct {
	id   commerce.HoldID
	asks []*ask // of the lines that the gates have admitted, in the order of their pools
	hold Hold   // what has become of it, when its round answers no error
}

func (s *Service) holdAll(ctx context.Context, id commerce.HoldID, taps []Tap) (Hold, error) {
	for round := 1; ; round++ {
		b := &basket{id: id}
		err := s.admitAll(b, taps)
		if err == nil {
			err = s.baskets.Do(ctx, b)
		}
		switch {
		case err == nil:
			return b.hold, nil
		case errors.Is(err, errKnown):
			return s.known(ctx, id, taps)
		case errors.Is(err, gather.ErrCrowded):
			b.giveBack()
			return Hold{}, unavailable(err)
		case !errors.Is(err, errAgain):
			return Hold{}, err
		case round == maxTries:
			return Hold{}, unavailable(err)
		}
	}
}

// admitAll asks the gates, one after the other: who loses at the first takes nothing of the others, and gives back what they had.
func (s *Service) admitAll(b *basket, taps []Tap) error {
	for _, tap := range taps {
		a := newAsk(tap)
		a.of = b.id
		err := s.ask(a)
		if err == nil {
			<-a.done // its lane answers, however long it takes
			if a.got.err != nil {
				err = &LineError{tap.Pool, a.end().err}
			}
		}
		if err != nil {
			b.giveBack()
			return err
		}
		b.asks = append(b.asks, a)
	}
	return nil
}

// giveBack is for a basket that Postgres was not asked about.
func (b *basket) giveBack() {
	for _, a := range b.asks {
		a.lane.judged(a.epoch, []*ask{a}, a.back(), false, due{})
		a.lane.leave(a)
	}
}

// back is what goes back to the gate when nothing comes of an ask. What the gate has known before may be a hold, or somebody is
// about to make it one; its lease decides.
func (a *ask) back() []entry {
	if a.met {
		return nil
	}
	return []entry{{id: a.tap.ID, buyer: a.buyer}}
}

// leave ends what a lane has of an ask that was handed over.
func (l *lane) leave(a *ask) {
	l.waiting.Add(-1)
	a.end()
}

// known answers a basket of which some line is known: it is a repetition, or its id is used up.
func (s *Service) known(ctx context.Context, id commerce.HoldID, taps []Tap) (Hold, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	h, err := Find(ctx, s.db, id)
	switch {
	case errors.Is(err, ErrUnknown):
		return Hold{}, ErrGone // one of its lines is buried
	case err != nil:
		return Hold{}, unavailable(err)
	case h.State == Void:
		return Hold{}, ErrGone
	case !h.isAllOf(id, taps):
		return Hold{}, ErrConflict
	case !h.State.Live():
		return Hold{}, ErrGone
	}
	h.Replayed = true
	return h, nil
}

// isAllOf says whether a repeated basket means this hold.
func (h Hold) isAllOf(id commerce.HoldID, taps []Tap) bool {
	lines := h.Lines()
	return len(lines) == len(taps) && !slices.ContainsFunc(taps, func(t Tap) bool {
		return !slices.ContainsFunc(lines, func(l Hold) bool { return l.matches(&t, id) })
	})
}
