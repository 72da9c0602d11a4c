package stock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

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
		"timed", c.timed.version, "timed_opens", milli(c.timed.opens), "timed_closes", milli(c.timed.closes), "timed_free", c.timed.free, "stamp", 0}
	if err := g.redis.HSet(ctx, keys[0], head...).Err(); err != nil {
		return fmt.Errorf("%w: load: %w", ErrGate, err)
	}
	// Tidiness: a copy whose expiry could not be set only stays longer, and nodes that have not heard of the epochs between would
	// be answered by a dead one until their next sweep.
	g.redis.PExpire(ctx, keys[0], copyLives)
	_ = g.forget(ctx, pool, c.epoch)
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

// forgets is how many epochs back dead copies are looked for: one transaction may change a pool several times.
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
