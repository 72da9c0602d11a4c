package stock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/schema"
)

// A hold may have several lines, each of another pool. The gates of its pools, which may be on several servers, admit its lines one
// after the other, together with everybody's taps; what they admitted goes back when one of them refuses. Then one transaction
// in Postgres decides about all lines: whoever hears "yours" has all of them, and nobody ever has some.

// basketsAtOnce is how many transactions of holds of several lines a node has open at once: they are not batched, and may not take
// all connections from those that are.
const basketsAtOnce = 4

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

// errAgain: nothing has been done, and another round may do it.
var errAgain = errors.New("a pool has changed meanwhile")

func (s *Service) holdAll(ctx context.Context, id commerce.HoldID, taps []Tap) (Hold, error) {
	for round := 1; ; round++ {
		asks, err := s.admitAll(id, taps)
		if err == nil {
			var h Hold
			if h, err = s.claimAll(ctx, asks); err == nil {
				return h, nil
			}
		} else {
			leaveAll(asks, nil)
		}
		if !errors.Is(err, errAgain) {
			return Hold{}, err
		}
		if round == maxTries {
			return Hold{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// admitAll asks the gates, one after the other: who loses at the first takes nothing of the others. It answers those that were
// admitted, also with an error.
func (s *Service) admitAll(id commerce.HoldID, taps []Tap) (admitted []*ask, err error) {
	for _, tap := range taps {
		a := newAsk(tap)
		a.of = id
		if err := s.ask(a); err != nil {
			return admitted, err
		}
		<-a.done // its lane answers, however long it takes
		if a.got.err != nil {
			return admitted, &LineError{tap.Pool, a.end().err}
		}
		admitted = append(admitted, a)
	}
	return admitted, nil
}

// leaveAll gives back what was admitted of a basket of which nothing is committed. What the gate has known before may be a hold, or
// somebody is about to make it one; its lease decides. judged is what Postgres said of each, nil: it was not asked.
func leaveAll(asks []*ask, judged []claimed) {
	for i, a := range asks {
		var back []entry
		if !a.met {
			back = []entry{{id: a.tap.ID, buyer: a.buyer}}
		}
		a.lane.judged(a.epoch, []*ask{a}, back, judged != nil && gateIsShort(judged[i].fates[a.tap.ID]), due{})
		a.lane.leave(a)
	}
}

// leave ends what a lane has of an ask that was handed over.
func (l *lane) leave(a *ask) {
	l.waiting.Add(-1)
	a.end()
}

// claimAll has admitted lines decided, and tells the gates and the buyer.
func (s *Service) claimAll(ctx context.Context, asks []*ask) (Hold, error) {
	select {
	case s.baskets <- struct{}{}:
		defer func() { <-s.baskets }()
	case <-time.After(claimTimeout):
		leaveAll(asks, nil)
		return Hold{}, fmt.Errorf("%w: too many baskets are waiting", ErrUnavailable)
	}
	got, err := s.commitAll(ctx, asks)
	switch {
	case errors.Is(err, errAgain):
		leaveAll(asks, nil)
		return Hold{}, err
	case err == nil && got.known:
		h, err := s.known(ctx, asks)
		leaveAll(asks, nil)
		return h, err
	case err == nil && got.refused != nil:
		leaveAll(asks, got.lines)
		return Hold{}, got.refused
	case err == nil:
		committed()
		err = got.flush(ctx)
	}
	s.metrics.calls.WithLabelValues("claim", result(err)).Inc()
	if err == nil {
		return s.sayYours(ctx, asks, got), nil
	}
	// Whether it was committed is not known: the leases lapse, and the id finds what there is.
	s.log.Warn("claim of several lines failed", "hold", asks[0].of, "lines", len(asks), "error", err)
	for _, a := range asks {
		a.lane.leave(a)
	}
	return Hold{}, unavailable(err)
}

// sayYours tells the gates of a hold that is durable, and makes the buyer's answer.
func (s *Service) sayYours(ctx context.Context, asks []*ask, got decidedAll) (h Hold) {
	for i, a := range asks {
		line := &got.lines[i]
		if line.past {
			a.lane.pastCopy(ctx, line.epoch)
		}
		s.metrics.swept.WithLabelValues("hold").Add(float64(len(line.lapsed)))
		if made := *line.holds[a.tap.ID]; i == 0 {
			h = made
		} else {
			h.More = append(h.More, made)
		}
		a.lane.settle(a.epoch, []*ask{a}, line)
		a.lane.leave(a)
	}
	return h
}

// known answers a basket of which some line is known: it is a repetition, or its id is used up.
func (s *Service) known(ctx context.Context, asks []*ask) (Hold, error) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	h, err := Find(ctx, s.db, asks[0].of)
	switch {
	case errors.Is(err, ErrUnknown):
		return Hold{}, ErrGone // one of its lines is buried
	case err != nil:
		return Hold{}, unavailable(err)
	case h.State == Void:
		return Hold{}, ErrGone
	case !h.isAllOf(asks):
		return Hold{}, ErrConflict
	case !h.State.Live():
		return Hold{}, ErrGone
	}
	h.Replayed = true
	return h, nil
}

// isAllOf says whether a repeated basket means this hold.
func (h Hold) isAllOf(asks []*ask) bool {
	lines := h.Lines()
	return len(lines) == len(asks) && !slices.ContainsFunc(asks, func(a *ask) bool {
		return !slices.ContainsFunc(lines, func(l Hold) bool { return l.matches(&a.tap, a.of) })
	})
}
