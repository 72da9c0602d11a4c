package stock

import "slices"

// State is where a hold stands. (Before "held" a tap is only admitted: a lease in Redis, no row.)
type State string

// The states of a hold.
const (
	Held     State = "held"     // promised until Expires
	Paying   State = "paying"   // a payment was begun; only the payment's end moves the units
	Sold     State = "sold"     // an order owns the units
	Expired  State = "expired"  // nobody paid in time
	Released State = "released" // given back by the buyer, or the payment was voided
	Void     State = "void"     // a tombstone: this id never became a hold and never will
)

// transitions is the whole machine; there is no other way from one state to another.
var transitions = map[State][]State{
	Held:   {Paying, Released, Expired},
	Paying: {Sold, Held, Released},
}

// States lists all of them.
func States() []State { return []State{Held, Paying, Sold, Expired, Released, Void} }

// Can says whether the machine has this step.
func (s State) Can(to State) bool { return slices.Contains(transitions[s], to) }

// Live says whether the state counts as taken in the pool.
func (s State) Live() bool { return s == Held || s == Paying || s == Sold }

// liveStates is Live for SQL.
var liveStates = []string{string(Held), string(Paying), string(Sold)}

// sources lists the states from which to can be reached, for the condition of an UPDATE.
func sources(to State) []string {
	var from []string
	for _, s := range States() {
		if s.Can(to) {
			from = append(from, string(s))
		}
	}
	return from
}
