package payment

import "slices"

// State is where our record of a payment stands.
type State string

// The states of a payment.
const (
	Intent         State = "intent"          // committed, and nobody has it: not written any more (see Begin)
	Sent           State = "sent"            // a call is under way, or its maker died
	Unknown        State = "unknown"         // a call ended without an answer
	RequiresAction State = "requires_action" // the buyer must confirm at their bank; the provider is asked until they have
	Authorised     State = "authorised"      // money is reserved
	Captured       State = "captured"        // money is taken
	Failed         State = "failed"          // declined
	Voiding        State = "voiding"         // we want it ended
	Voided         State = "voided"          // the provider says that it can take no money
)

// transitions is the whole machine; there is no other way from one state to another.
var transitions = map[State][]State{
	Intent:         {Sent, Voiding},
	Sent:           {Sent, Unknown, RequiresAction, Authorised, Failed, Voiding},
	Unknown:        {Sent, Voiding},
	RequiresAction: {Sent, Voiding},
	Authorised:     {Captured, Voiding},
	Voiding:        {Voided},
}

// States lists all of them.
func States() []State {
	return []State{Intent, Sent, Unknown, RequiresAction, Authorised, Captured, Failed, Voiding, Voided}
}

// Can says whether the machine has this step.
func (s State) Can(to State) bool { return slices.Contains(transitions[s], to) }

// Open says whether the outcome is not known yet.
func (s State) Open() bool {
	return s == Intent || s == Sent || s == Unknown || s == RequiresAction
}

// Due says whether somebody must go on with it: it is open, or it is to be ended.
func (s State) Due() bool { return s.Open() || s == Voiding }

// dueStates is Due for SQL; the constraint payment_next has the same list.
var dueStates = []string{string(Intent), string(Sent), string(Unknown), string(RequiresAction), string(Voiding)}

func sources(to State) []string {
	var from []string
	for _, s := range States() {
		if s.Can(to) {
			from = append(from, string(s))
		}
	}
	return from
}
