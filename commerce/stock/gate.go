package stock

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

//go:embed gate.lua
var gateSource string

// gateScript is run by its hash; Run sends the text when the server does not know it (NOSCRIPT).
var gateScript = redis.NewScript(gateSource)

const (
	gateTimeout = time.Second
	leaseFor    = 3 * time.Second
	loadTimeout = 10 * time.Second
	loadChunk   = 500 // buyers in one HSET
	// copyLives removes copies that nobody uses any more. Losing a used one is no more than losing Redis.
	copyLives = 30 * 24 * time.Hour
	// askPatience bounds how long a tap goes round while the gate's copy is being made again and again.
	askPatience = 5 * time.Second
)

// The letters of gate.lua.
const (
	letterAdmitted = 'A'
	letterPresent  = 'P'
	letterSoldOut  = 'S'
	letterLimit    = 'L'
	letterNotOpen  = 'N'
	letterClosed   = 'C'
	letterOffer    = 'V'
	letterRelease  = 'R'
	letterInFull   = 'U'
	// Beside a timed offer that is on and has too few units left.
	letterBeside        = 'B'
	letterPresentBeside = 'Q'
)

// Bits that gate.lua keeps beside a quantity.
const (
	timedBit     = 16  // in an entry: units at the timed offer
	noReleaseBit = 128 // in a tap: has waited for a release often enough
)

// errNotLoaded says that the gate has no copy of this epoch.
var errNotLoaded = errors.New("epoch is not loaded")

// buyerKey stands for a buyer in Redis: of fixed size, whatever a subject looks like.
type buyerKey [16]byte

func keyOf(buyer string) buyerKey {
	var room [maxBuyerBytes]byte // saves the heap
	sum := sha256.Sum256(append(room[:0], buyer...))
	return buyerKey(sum[:16])
}

// sourceKey stands for where a tap comes from, in Postgres; 0 is nowhere.
type sourceKey int64

func sourceOf(source string) sourceKey {
	if source == "" {
		return 0
	}
	key := keyOf(source)
	return sourceKey(binary.BigEndian.Uint64(key[:]) | 1)
}

// entry is an id in a buyer's list.
type entry struct {
	id    commerce.HoldID
	buyer buyerKey
}

// tag names one gate call.
type tag [16]byte

func newTag() tag { return commerce.NewID[tag]() }

// gate speaks gate.lua.
type gate struct{ redis redis.UniversalClient }

// keys of one epoch of one pool; the braces keep them on one node of a Redis cluster.
func gateKeys(pool commerce.PoolID, epoch int64) []string {
	prefix := "rialto:{" + pool.String() + "}:e" + strconv.FormatInt(epoch, 10)
	return []string{prefix + ":head", prefix + ":buyers", prefix + ":leases", prefix + ":tags"}
}

type gateCall struct {
	direct  bool // Redis is away
	poked   int  // see lane
	epoch   int64
	tag     tag
	asks    []*ask
	brief   int   // so many of them, the last, are asked by what they wish alone: a roster
	stamp   int64 // of this stamp does not list them
	settled []tag
	back    []entry
	due     due
}

// due is news about a pool's earliest deadline.
type due struct {
	at    time.Time // zero: no hold can lapse
	exact bool      // at replaces what the gate knows; otherwise it only counts when it is earlier
	known bool
}

type lapsedLease struct {
	tag tag
	ids []entry
}

type gateAnswer struct {
	letters string // one for each ask
	stamp   int64  // of the copy
	free    int
	leases  int
	timed   int // units free at the timed offer; -1: no cap, or none
	lapsed  []lapsedLease
}

func (g gate) call(ctx context.Context, pool commerce.PoolID, c gateCall) (gateAnswer, error) {
	if err := schema.Outside(ctx); err != nil {
		return gateAnswer{}, fmt.Errorf("gate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	mode, at := c.due.encode()
	wishes, of := c.wishes()
	raw, err := gateScript.Run(ctx, g.redis, gateKeys(pool, c.epoch),
		c.tag[:], leaseFor.Milliseconds(), encodeAsks(c.whole()), encodeTags(c.settled), encodeEntries(c.back), mode, at, c.stamp, wishes).Slice()
	if errors.Is(err, redis.Nil) {
		return gateAnswer{}, errNotLoaded
	}
	if err != nil {
		return gateAnswer{}, fmt.Errorf("%w: %w", ErrGate, err)
	}
	return decodeAnswer(raw, len(c.whole()), of)
}

func (d due) encode() (mode string, ms int64) {
	if !d.known {
		return "", 0
	}
	if !d.at.IsZero() {
		ms = d.at.UnixMilli()
	}
	if d.exact {
		return "set", ms
	}
	return "min", ms
}

// merge adds later news to earlier.
func (d due) merge(next due) due {
	switch {
	case !next.known:
		return d
	case !d.known || next.exact:
		return next
	case d.at.IsZero() || !next.at.IsZero() && next.at.Before(d.at):
		d.at = next.at
	}
	return d
}

func encodeAsks(asks []*ask) []byte {
	out := make([]byte, 0, 37*len(asks))
	for _, a := range asks {
		out = append(out, a.tap.ID[:]...)
		out = append(out, a.buyer[:]...)
		wish := a.wish()
		out = append(out, wish[:]...)
	}
	return out
}

// wish is what a tap asks for, whoever it is, as gate.lua reads it.
type wish [5]byte

func (a *ask) wish() (w wish) {
	w[0] = byte(a.tap.Quantity)
	if a.tries > 1 {
		w[0] += noReleaseBit // twice released and still nothing: what lapsed was not enough
	}
	binary.BigEndian.PutUint32(w[1:], uint32(a.tap.Offer))
	return w
}

// whole are the asks that are asked in full.
func (c *gateCall) whole() []*ask { return c.asks[:len(c.asks)-c.brief] }

// wishes lists what those wish who are not asked in full, each once, and which of them each one's is.
func (c *gateCall) wishes() (list []byte, of []int) {
	if c.brief == 0 {
		return nil, nil
	}
	of = make([]int, 0, c.brief)
	numbers := map[wish]int{}
	last, number := wish{}, -1
	for _, a := range c.asks[len(c.asks)-c.brief:] {
		if w := a.wish(); number < 0 || w != last {
			var known bool
			if number, known = numbers[w]; !known {
				number, list = len(numbers), append(list, w[:]...)
				numbers[w] = number
			}
			last = w
		}
		of = append(of, number)
	}
	return list, of
}

func encodeTags(tags []tag) []byte {
	out := make([]byte, 0, 16*len(tags))
	for _, t := range tags {
		out = append(out, t[:]...)
	}
	return out
}

func encodeEntries(entries []entry) []byte {
	out := make([]byte, 0, 32*len(entries))
	for _, e := range entries {
		out = append(out, e.id[:]...)
		out = append(out, e.buyer[:]...)
	}
	return out
}

// decodeAnswer reads the answer to a call of so many taps that were asked in full, and of the others' wishes.
func decodeAnswer(raw []any, whole int, of []int) (gateAnswer, error) {
	var a gateAnswer
	const fixed = 6
	if len(raw) < fixed || len(raw)%2 != 0 {
		return a, fmt.Errorf("gate: answer of %d parts", len(raw))
	}
	letters, ok := raw[0].(string)
	free, okFree := raw[1].(int64)
	leases, okLeases := raw[2].(int64)
	timed, okTimed := raw[3].(int64)
	refused, okRefused := raw[4].(string)
	stamp, okStamp := raw[5].(int64)
	if !ok || !okFree || !okLeases || !okTimed || !okRefused || !okStamp || len(letters) != whole {
		return a, fmt.Errorf("gate: %d letters for %d taps", len(letters), whole)
	}
	a = gateAnswer{letters: letters, stamp: stamp, free: int(free), leases: int(leases), timed: int(timed)}
	if len(of) > 0 {
		all := append(make([]byte, 0, whole+len(of)), letters...)
		for _, wish := range of {
			if wish >= len(refused) {
				return a, fmt.Errorf("gate: %d letters for wishes", len(refused))
			}
			all = append(all, refused[wish])
		}
		a.letters = string(all)
	}
	for i := fixed; i < len(raw); i += 2 {
		name, okName := raw[i].(string)
		ids, okIDs := raw[i+1].(string)
		if !okName || !okIDs || len(name) != 16 || len(ids)%32 != 0 {
			return a, errors.New("gate: a lapsed lease cannot be read")
		}
		lapsed := lapsedLease{tag: tag([]byte(name))}
		for ; ids != ""; ids = ids[32:] {
			lapsed.ids = append(lapsed.ids, entry{id: commerce.HoldID([]byte(ids[:16])), buyer: buyerKey([]byte(ids[16:32]))})
		}
		a.lapsed = append(a.lapsed, lapsed)
	}
	return a, nil
}
