package stock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema"
)

//go:embed drift.lua
var driftSource string

var driftScript = redis.NewScript(driftSource)

// maxInFlight is how many ids on their way one look accounts for; a pool with more is looked at when there are fewer.
const maxInFlight = 16_384

// inspected is a copy at one moment: its counts, and the entries of ids that were asked for or are under an open lease.
type inspected struct {
	free, timed int
	many        bool // more than maxInFlight: none are listed
	entries     []countedEntry
}

type countedEntry struct {
	entry
	quantity int
	timed    bool
}

// inspect runs drift.lua.
func (g gate) inspect(ctx context.Context, pool commerce.PoolID, epoch int64, about []entry) (got inspected, err error) {
	if err := schema.Outside(ctx); err != nil {
		return got, fmt.Errorf("inspect gate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	raw, err := driftScript.Run(ctx, g.redis, gateKeys(pool, epoch), encodeEntries(about), maxInFlight).Slice()
	if errors.Is(err, redis.Nil) {
		return got, errNotLoaded
	}
	if err != nil {
		return got, fmt.Errorf("%w: inspect: %w", ErrGate, err)
	}
	const each = 33
	if len(raw) != 4 {
		return got, fmt.Errorf("inspect gate: answer of %d parts", len(raw))
	}
	free, okFree := raw[0].(int64)
	timed, okTimed := raw[1].(int64)
	many, okMany := raw[2].(int64)
	list, okList := raw[3].(string)
	if !okFree || !okTimed || !okMany || !okList || len(list)%each != 0 {
		return got, errors.New("inspect gate: the answer cannot be read")
	}
	got = inspected{free: int(free), timed: int(timed), many: many == 1, entries: make([]countedEntry, 0, len(list)/each)}
	for ; list != ""; list = list[each:] {
		e := entry{id: commerce.HoldID([]byte(list[:16])), buyer: buyerKey([]byte(list[16:32]))}
		got.entries = append(got.entries, countedEntry{entry: e, quantity: int(list[32] % timedBit), timed: list[32]&timedBit != 0})
	}
	return got, nil
}
