package stock

import (
	"sync"
	"time"

	"github.com/rialto-live/rialto/commerce"
)

// ask is one tap under way.
type ask struct {
	tap    Tap
	of     commerce.HoldID // the hold of several lines of which this is one; zero: it stands alone
	lane   *lane           // that has it
	buyer  buyerKey
	source sourceKey     // owned by the claim, with
	seen   bool          // whether it has been here before
	got    answer        // what it has come to, once done says so
	done   chan struct{} // of one place: whoever answers never waits
	tries  int           // rounds; owned by the loop that has the ask
	epoch  int64         // of the call that admitted it
	call   *admission    // that call
	whole  bool          // asked in full, whatever the roster says
	met    bool          // the gate, or a try before, knew its id
	beside bool          // the gate let it in beside a timed offer that had too few units left
	taken  time.Time     // when a gate call first had it
}

type answer struct {
	hold *Hold // of who won
	err  error
}

// admission is one gate call, whose tag is settled once all that it admitted has been judged.
type admission struct {
	tag  tag
	open int // guarded by the lane's mu
}

func newAsk(tap Tap) *ask {
	a := usedAsks.Get().(*ask)
	*a = ask{tap: tap, buyer: keyOf(tap.Buyer), done: a.done}
	return a
}

// end is for who has heard that it is done: nobody else has the ask any more. Who goes before that leaves it to the loops.
func (a *ask) end() answer {
	got := a.got
	a.got = answer{}
	usedAsks.Put(a)
	return got
}

// usedAsks saves the garbage of a surge, most of which is losing taps.
var usedAsks = sync.Pool{New: func() any { return &ask{done: make(chan struct{}, 1)} }}
