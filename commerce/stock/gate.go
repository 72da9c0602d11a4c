package stock

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	letters string
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
	raw, err := gateScript.Run(ctx, g.redis, gateKeys(pool, c.epoch),
		c.tag[:], leaseFor.Milliseconds(), encodeAsks(c.asks), encodeTags(c.settled), encodeEntries(c.back), mode, at).Slice()
	if errors.Is(err, redis.Nil) {
		return gateAnswer{}, errNotLoaded
	}
	if err != nil {
		return gateAnswer{}, fmt.Errorf("%w: %w", ErrGate, err)
	}
	return decodeAnswer(raw, len(c.asks))
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
		quantity := byte(a.tap.Quantity)
		if a.tries > 1 {
			quantity += noReleaseBit // twice released and still nothing: what lapsed was not enough
		}
		out = append(out, quantity)
		out = binary.BigEndian.AppendUint32(out, uint32(a.tap.Offer))
	}
	return out
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

func decodeAnswer(raw []any, asks int) (gateAnswer, error) {
	var a gateAnswer
	if len(raw) < 4 || len(raw)%2 != 0 {
		return a, fmt.Errorf("gate: answer of %d parts", len(raw))
	}
	letters, ok := raw[0].(string)
	free, okFree := raw[1].(int64)
	leases, okLeases := raw[2].(int64)
	timed, okTimed := raw[3].(int64)
	if !ok || !okFree || !okLeases || !okTimed || len(letters) != asks {
		return a, fmt.Errorf("gate: %d letters for %d taps", len(letters), asks)
	}
	a = gateAnswer{letters: letters, free: int(free), leases: int(leases), timed: int(timed)}
	for i := 4; i < len(raw); i += 2 {
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

// copyOf is what a gate's copy of a pool is made of.
type copyOf struct {
	epoch         int64
	free, cap     int
	version       int64
	opens, closes *time.Time
	due           *time.Time
	timed         timedCopy
	buyers        map[string][]byte // 16 bytes of buyer -> entries, as gate.lua keeps them
}

// timedCopy is the timed offer of a copy; version 0 is none.
type timedCopy struct {
	version       int64
	opens, closes *time.Time
	free          int // -1: no cap
}

// tableFiller is a value under a name that no buyer has. Redis keeps a hash of few short values as a list, which it reads from
// end to end for each buyer that is not there; a value of more than 64 bytes (hash-max-listpack-value) makes it a table.
var tableFiller = strings.Repeat(" ", 65)

// load writes the copy of a new epoch, its head last: until then the script sees nothing. Nobody else writes
// these keys: an epoch has one maker.
func (g gate) load(ctx context.Context, pool commerce.PoolID, c copyOf) error {
	if err := schema.Outside(ctx); err != nil {
		return fmt.Errorf("load gate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	keys := gateKeys(pool, c.epoch)
	pipe := g.redis.Pipeline()
	chunk := make([]any, 0, 2*loadChunk)
	flush := func() {
		if len(chunk) > 0 {
			pipe.HSet(ctx, keys[1], chunk...)
			chunk = make([]any, 0, 2*loadChunk)
		}
	}
	chunk = append(chunk, "", tableFiller)
	for buyer, entries := range c.buyers {
		if chunk = append(chunk, buyer, entries); len(chunk) == 2*loadChunk {
			flush()
		}
	}
	flush()
	pipe.PExpire(ctx, keys[1], copyLives)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("%w: load: %w", ErrGate, err)
	}
	head := []any{"free", c.free, "cap", c.cap, "version", c.version, "opens", milli(c.opens), "closes", milli(c.closes), "due", milli(c.due),
		"timed", c.timed.version, "timed_opens", milli(c.timed.opens), "timed_closes", milli(c.timed.closes), "timed_free", c.timed.free}
	if err := g.redis.HSet(ctx, keys[0], head...).Err(); err != nil {
		return fmt.Errorf("%w: load: %w", ErrGate, err)
	}
	// Tidiness: a copy whose expiry could not be set only stays longer, and the epoch before is dead.
	g.redis.PExpire(ctx, keys[0], copyLives)
	g.redis.Del(ctx, gateKeys(pool, c.epoch-1)...)
	return nil
}

// peek reads a copy without the script, which would mark lapsed leases as shown.
func (g gate) peek(ctx context.Context, pool commerce.PoolID, epoch int64) (Copy, error) {
	if err := schema.Outside(ctx); err != nil {
		return Copy{}, fmt.Errorf("peek at gate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	keys := gateKeys(pool, epoch)
	pipe := g.redis.TxPipeline()
	head, leases := pipe.HMGet(ctx, keys[0], "free", "timed_free"), pipe.ZCard(ctx, keys[2])
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return Copy{}, fmt.Errorf("peek at gate: %w", err)
	}
	var c struct {
		Free  *int `redis:"free"`
		Timed *int `redis:"timed_free"`
	}
	if err := head.Scan(&c); err != nil {
		return Copy{}, fmt.Errorf("peek at gate: %w", err)
	}
	if c.Free == nil || c.Timed == nil {
		return Copy{}, nil
	}
	return Copy{Loaded: true, Free: *c.Free, TimedFree: *c.Timed, Leases: int(leases.Val())}, nil
}

// forgets is how many epochs back a change looks for copies: one transaction may change a pool several times.
const forgets = 4

// forget removes the copies before an epoch, so that whoever still uses one notices.
func (g gate) forget(ctx context.Context, pool commerce.PoolID, epoch int64) error {
	if err := schema.Outside(ctx); err != nil {
		return fmt.Errorf("forget gate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	var keys []string
	for back := int64(1); back <= min(forgets, epoch); back++ {
		keys = append(keys, gateKeys(pool, epoch-back)...)
	}
	if len(keys) == 0 {
		return nil
	}
	return g.redis.Del(ctx, keys...).Err()
}

// runID names the server process where INFO says so, of a cluster all of them, and is "" where it does not.
func (g gate) runID(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	cluster, ok := g.redis.(*redis.ClusterClient)
	if !ok {
		return runID(ctx, g.redis)
	}
	var mu sync.Mutex
	var ids []string
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, client *redis.Client) error {
		id, err := runID(ctx, client)
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, id)
		return err
	})
	slices.Sort(ids)
	return strings.Join(ids, " "), err
}

func runID(ctx context.Context, client redis.UniversalClient) (string, error) {
	if err := client.Ping(ctx).Err(); err != nil {
		return "", err
	}
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return "", nil // a Redis-like store without this section
	}
	for line := range strings.Lines(info) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "run_id:"); ok {
			return id, nil
		}
	}
	return "", nil
}

func milli(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}
