package stock

import (
	"errors"
	"fmt"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
)

// Limits.
const (
	MaxQuantity   = 10        // units in one line of a hold
	MaxLines      = 10        // lines in one hold
	MaxOnHand     = 1_000_000 // units in one pool
	MaxPerSource  = 30        // holds that one address may have open at once, in all pools (addresses.go: give or take one)
	MaxPools      = 4096      // pools that are being bought from at once on this node
	MaxWaiting    = 8192      // taps of one pool that wait for an answer on this node
	MaxBatch      = 512       // taps in one gate call or one claim
	maxTries      = 6         // rounds that one tap may take because an epoch moved under it
	maxBuyerBytes = 64
)

// Defaults of Config.
const (
	DefaultHoldFor = 5 * time.Minute
	DefaultPayFor  = 10 * time.Minute
	// AfterDecline is how long a buyer has at least for another card.
	AfterDecline = 2 * time.Minute
)

var (
	// ErrSoldOut: fewer units are left than asked for. The error is a *SoldOutError.
	ErrSoldOut = errors.New("sold out")
	// ErrLimit: the buyer, or the address, has as many units as one may have.
	ErrLimit = errors.New("limit reached")
	// ErrNotOpen and ErrClosed: outside of the pool's selling window.
	ErrNotOpen = errors.New("not open yet")
	ErrClosed  = errors.New("closed")
	// ErrOfferChanged: the tap's price is not the present one; read the offer again.
	ErrOfferChanged = errors.New("offer changed")
	// ErrBarred: the buyer may not buy here (Config.Barred). The id is used up.
	ErrBarred = errors.New("not for this buyer")
	// ErrConflict: the hold id stands for another buyer, pool, quantity or other lines.
	ErrConflict = errors.New("hold id is taken")
	// ErrGone: the hold lapsed, was released or never came to be. The id is used up; a new try needs a new one.
	ErrGone = errors.New("hold is gone")
	// ErrState: the hold is not in a state from which the wanted one can be reached.
	ErrState = errors.New("hold cannot change so")
	// ErrUnknown: no such hold or pool.
	ErrUnknown = errors.New("not known")
	// ErrQuantity: fewer than one or more than MaxQuantity units, or a pool below what is taken.
	ErrQuantity = errors.New("quantity does not fit")
	// ErrUnavailable: Redis or Postgres did not answer, or too many taps wait. Nothing is promised; the same
	// id may be sent again after RetryAfter.
	ErrUnavailable = errors.New("stock is unavailable")
	// ErrGate: of ErrUnavailable, that it is Redis that did not answer.
	ErrGate = errors.New("gate")
	errPace = fmt.Errorf("%w: %w: more taps than Postgres takes alone", ErrUnavailable, ErrGate)
)

// RetryAfter is what a caller is told with ErrUnavailable.
const RetryAfter = time.Second

// SoldOutError says how many units are left (fewer than were asked for).
type SoldOutError struct{ Left int }

func (e *SoldOutError) Error() string        { return fmt.Sprintf("%v, %d left", ErrSoldOut, e.Left) }
func (e *SoldOutError) Is(target error) bool { return target == ErrSoldOut }

// Tap is a buyer's wish for units of one pool at a price they have seen.
type Tap struct {
	ID       commerce.HoldID // made by the client; the idempotency key
	Pool     commerce.PoolID
	Buyer    string // a subject
	Quantity int
	Unit     money.Amount // the price of Offer
	Offer    int64        // the pool's offer version that Unit belongs to
	Source   string       // where the tap comes from, opaque ("" is not limited)
}

func (t Tap) validate() error {
	switch {
	case t.ID.IsZero() || t.Pool.IsZero():
		return fmt.Errorf("%w: a tap needs a hold id and a pool", ErrUnknown)
	case t.Buyer == "" || len(t.Buyer) > maxBuyerBytes || len(t.Source) > maxBuyerBytes:
		return fmt.Errorf("%w: a tap needs a buyer", ErrUnknown)
	case t.Quantity < 1 || t.Quantity > MaxQuantity:
		return fmt.Errorf("%w: %d units, 1 to %d are possible", ErrQuantity, t.Quantity, MaxQuantity)
	case t.Unit.Minor < 0:
		return fmt.Errorf("%w: a negative price", ErrQuantity)
	}
	return t.Unit.Valid()
}

// Hold is units promised to one buyer. Left is the time to Expires by Postgres' clock when it was read.
type Hold struct {
	ID       commerce.HoldID
	Of       commerce.HoldID // of several lines, of which this is one: the hold's id; zero: it stands alone
	Pool     commerce.PoolID
	Show     commerce.ShowID
	Variant  commerce.VariantID
	Buyer    string
	Quantity int
	State    State
	Unit     money.Amount
	Offer    int64 // the version that Unit belongs to
	Created  time.Time
	Expires  time.Time
	Left     time.Duration
	// Stands says that its clock stands, at Left, because the creator is off the air (Freeze).
	Stands bool
	// Replayed says that the id was known before this call.
	Replayed bool
	// More are its other lines, in the order of their pools. Each stands as the hold does.
	More []Hold
}

// Lines are the hold's lines, each like a hold of its own.
func (h Hold) Lines() []Hold {
	first := h
	first.More = nil
	return append([]Hold{first}, h.More...)
}

// Total is the price of the hold's units.
func (h Hold) Total() (money.Amount, error) {
	total, err := h.Unit.Times(h.Quantity)
	for i := 0; i < len(h.More) && err == nil; i++ {
		var more money.Amount
		if more, err = h.More[i].Unit.Times(h.More[i].Quantity); err == nil {
			total, err = total.Add(more)
		}
	}
	return total, err
}

// matches says whether a repeated tap means this hold: alone, or as a line of another.
func (h *Hold) matches(t *Tap, of commerce.HoldID) bool {
	return h.Pool == t.Pool && h.Buyer == t.Buyer && h.Quantity == t.Quantity && h.Of == of
}
