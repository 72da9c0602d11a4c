package stock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

// When a pool is sold out nearly every tap is by somebody who has nothing of it, and all of these lose alike. The gate need
// not look each of them up: a lane that knows who has something (its roster) asks what the others hear, once for all who wish
// the same. Only a call that admits adds to those who have something. It changes the copy's stamp, and by an old roster the
// gate refuses nobody unseen. So a tap that is repeated after it has won is never told that it lost, whichever node it comes to.

//go:embed roster.lua
var rosterSource string

var rosterScript = redis.NewScript(rosterSource)

const (
	// maxRoster is how many buyers a roster has at most: of a pool that more have bought from, each tap is looked up.
	maxRoster = 16_384
	// rosterEvery is how often a lane reads its roster at most; one that follows its own calls is not read again.
	rosterEvery = 100 * time.Millisecond
	// rosterCrowd is how many taps a call must refuse, and admit none, before a roster is worth its reading.
	rosterCrowd = 32
)

// roster is who has something in the copy of an epoch, or had: whoever is not on it has nothing as long as the stamp is the same.
type roster struct {
	epoch  int64
	stamp  int64
	buyers map[buyerKey]struct{} // nil: nothing is known
	read   time.Time             // when it was read last, or tried to be
}

// knows says whether a roster can tell who has nothing in the copy of an epoch.
func (r *roster) knows(epoch int64) bool { return r.buyers != nil && r.epoch == epoch }

// lists says whether somebody must be asked about in full.
func (r *roster) lists(buyer buyerKey) bool { _, on := r.buyers[buyer]; return on }

// follow keeps a roster true after a call, or drops it when others have admitted as well.
func (r *roster) follow(call gateCall, got gateAnswer) {
	if !r.knows(call.epoch) || got.stamp == r.stamp {
		return
	}
	if got.stamp != r.stamp+1 || !got.admits() || len(r.buyers) > maxRoster {
		r.buyers = nil
		return
	}
	for i, a := range call.whole() {
		if admits(got.letters[i]) {
			r.buyers[a.buyer] = struct{}{}
		}
	}
	r.stamp = got.stamp
}

func admits(letter byte) bool { return letter == letterAdmitted || letter == letterBeside }

// admits says whether a call has added to those who have something.
func (a *gateAnswer) admits() bool {
	return strings.IndexByte(a.letters, letterAdmitted) >= 0 || strings.IndexByte(a.letters, letterBeside) >= 0
}

// pick takes the asks of a call off the queue: a batch of those that are asked in full, and all that wait between them whom
// the roster does not list.
func (l *lane) pick(call *gateCall) {
	n := 0
	if call.direct || !l.roster.knows(call.epoch) {
		n = min(len(l.queue), MaxBatch)
		call.asks = l.queue[:n:n]
	} else {
		call.stamp = l.roster.stamp
		var whole, brief []*ask
		for ; n < len(l.queue) && len(whole) < MaxBatch; n++ {
			if a := l.queue[n]; a.whole || l.roster.lists(a.buyer) {
				whole = append(whole, a)
			} else {
				brief = append(brief, a)
			}
		}
		call.asks, call.brief = append(whole, brief...), len(brief)
	}
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil
	}
}

// readRoster reads it when a crowd loses and it is not known. Failing costs the crowd nothing but that each tap is looked up.
func (l *lane) readRoster(ctx context.Context, call gateCall, got gateAnswer) {
	r := &l.roster
	if r.knows(call.epoch) || len(call.asks) < rosterCrowd || time.Since(r.read) < rosterEvery || got.admits() {
		return
	}
	r.read = time.Now()
	stamp, buyers, err := l.s.gate.roster(ctx, l.id, call.epoch)
	if err != nil {
		if !errors.Is(err, errNotLoaded) {
			l.s.log.Warn("who has something of a pool could not be read", "pool", l.id, "error", err)
		}
		return
	}
	r.epoch, r.stamp, r.buyers = call.epoch, stamp, buyers
}

// roster runs roster.lua.
func (g gate) roster(ctx context.Context, pool commerce.PoolID, epoch int64) (stamp int64, buyers map[buyerKey]struct{}, err error) {
	if err := schema.Outside(ctx); err != nil {
		return 0, nil, fmt.Errorf("read roster: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	raw, err := rosterScript.Run(ctx, g.redis, gateKeys(pool, epoch), maxRoster).Slice()
	if errors.Is(err, redis.Nil) {
		return 0, nil, errNotLoaded
	}
	if err != nil {
		return 0, nil, fmt.Errorf("%w: read roster: %w", ErrGate, err)
	}
	const each = len(buyerKey{})
	if len(raw) != 2 {
		return 0, nil, fmt.Errorf("read roster: answer of %d parts", len(raw))
	}
	stamp, okStamp := raw[0].(int64)
	names, okNames := raw[1].(string)
	if !okStamp || !okNames || len(names)%each != 0 {
		return 0, nil, errors.New("read roster: the answer cannot be read")
	}
	buyers = make(map[buyerKey]struct{}, len(names)/each)
	for ; names != ""; names = names[each:] {
		buyers[buyerKey([]byte(names[:each]))] = struct{}{}
	}
	return stamp, buyers, nil
}
