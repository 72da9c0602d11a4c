package order

import "slices"

// State is where an order stands.
type State string

// The states of an order.
const (
	Pending       State = "pending"    // being paid
	Authorised    State = "authorised" // the money is reserved
	Confirmed     State = "confirmed"  // the units are the buyer's
	Captured      State = "captured"   // the money is ours to pass on
	Fulfilled     State = "fulfilled"
	Settled       State = "settled"
	Cancelled     State = "cancelled" // never came to be
	RefundPending State = "refund_pending"
	Refunded      State = "refunded"
)

// transitions is the whole machine; there is no other way from one state to another.
var transitions = map[State][]State{
	Pending:       {Authorised, Cancelled},
	Authorised:    {Confirmed, Cancelled},
	Confirmed:     {Captured, Cancelled},
	Captured:      {Fulfilled, RefundPending},
	Fulfilled:     {Settled, RefundPending},
	Settled:       {RefundPending},
	RefundPending: {Refunded, Captured, Fulfilled, Settled}, // a refused or partial refund goes back to where it was
}

// States lists all of them.
func States() []State {
	return []State{Pending, Authorised, Confirmed, Captured, Fulfilled, Settled, Cancelled, RefundPending, Refunded}
}

// Can says whether the machine has this step.
func (s State) Can(to State) bool { return slices.Contains(transitions[s], to) }

// Paid says whether the buyer has what they paid for, or will.
func (s State) Paid() bool {
	return s == Confirmed || s == Captured || s == Fulfilled || s == Settled
}

func sources(to State) []string {
	var from []string
	for _, s := range States() {
		if s.Can(to) {
			from = append(from, string(s))
		}
	}
	return from
}
