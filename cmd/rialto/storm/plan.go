package storm

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// What happens is drawn from the seed before anything begins, so that the same
// seed brings the same storm: what is said when and through which node, who
// comes and goes where, which node dies, and (see drops) which messages are lost.
// What is not drawn is how fast this machine is.

// Nodes is how many nodes there are.
const Nodes = 4

const (
	killAt    = 0.40 // of the time: a node dies
	troubleAt = 0.65 // Redis breaks
)

// keyOf names the parts of a room's state; they are told apart by their place.
type keyOf struct {
	typ, key string
	class    realtime.Class
}

const (
	prices = 4
	stocks = 20
)

// keys are the same in both rooms: the lossless ones first.
var keys = func() []keyOf {
	all := []keyOf{{"show.state", "show", realtime.Lossless}, {"pin.set", "pin", realtime.Lossless}}
	for n := range prices {
		all = append(all, keyOf{"price.set", fmt.Sprintf("var_%d", n), realtime.Lossless})
	}
	for n := range stocks {
		all = append(all, keyOf{"stock.set", fmt.Sprintf("var_%d", n), realtime.Latest})
	}
	return all
}()

const losslessKeys = 2 + prices

// move is one thing that happens to a viewer.
type move uint8

const (
	arrive move = iota // for the first time, or again with what it has
	leave
	lose // its line breaks; it comes back by itself
)

// step is one thing that happens.
type step struct {
	at   time.Duration
	room int // of the two; what concerns viewers is known by their number
	node int // through which it is said, or where the viewer goes

	// An update, when viewer is below zero.
	viewer int
	key    int // of keys, or -1 for a cast
	urgent bool
	move   move
}

type plan struct {
	steps  []step
	victim int // the node that dies
	trial  time.Duration
}

// crowd is the audience of one room and how often it is told something.
type crowd struct {
	viewers int
	rate    int // updates a second
}

func newPlan(seed uint64, crowds [2]crowd, length time.Duration) (p plan) {
	rng := rand.New(rand.NewPCG(seed, 0))
	p.victim, p.trial = rng.IntN(Nodes), length
	first := 0
	for room, c := range crowds {
		p.updates(rng, room, c.rate, length)
		for v := range c.viewers {
			p.moves(rng, room, first+v, length)
		}
		first += c.viewers
	}
	slices.SortStableFunc(p.steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return p
}

// updates come evenly, and at the end every stock is said once more: every third
// is sold out.
func (p *plan) updates(rng *rand.Rand, room, rate int, length time.Duration) {
	gap := time.Second / time.Duration(rate)
	for at := time.Duration(0); at < length; at += gap {
		s := step{at: at, room: room, node: rng.IntN(Nodes), viewer: -1}
		// At a few updates a second nearly all are lossless, at many few are:
		// about ten a second, as in a lively show.
		if lossless := min(80, 1000/rate); rng.IntN(100) < max(1, lossless) {
			s.key = rng.IntN(losslessKeys)
		} else if rng.IntN(20) == 0 {
			s.key = -1
		} else {
			s.key, s.urgent = losslessKeys+rng.IntN(stocks), rng.IntN(100) == 0
		}
		p.steps = append(p.steps, s)
	}
	for n := range stocks {
		p.steps = append(p.steps, step{at: length, room: room, node: rng.IntN(Nodes), viewer: -1, key: losslessKeys + n, urgent: n%3 == 0})
	}
}

// moves are a viewer's: it comes, and then goes or is lost a few times, mostly
// to return.
func (p *plan) moves(rng *rand.Rand, room, viewer int, length time.Duration) {
	here := false
	at := time.Duration(rng.Int64N(int64(length / 3)))
	for ; at < length; at += time.Duration(rng.Int64N(int64(length/2)) + 1) {
		m := arrive
		if here {
			m = []move{leave, lose, lose}[rng.IntN(3)]
		}
		here = m != leave
		p.steps = append(p.steps, step{at: at, room: room, node: rng.IntN(Nodes), viewer: viewer, move: m})
		if rng.IntN(4) == 0 {
			break // from here on it stays as it is
		}
	}
}

// drops says whether a message is lost on its way to a node: one in dropOneIn.
// It is drawn from the seed and the message's place.
func drops(seed uint64, node, room int, number int64) bool {
	x := seed ^ uint64(node+1)<<56 ^ uint64(room+1)<<52 ^ uint64(number)
	for range 2 { // splitmix64's finaliser: every bit depends on all
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x%dropOneIn == 0
}

const dropOneIn = 100
