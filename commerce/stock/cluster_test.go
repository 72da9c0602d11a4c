package stock

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
)

// The pools of one show lie on different nodes of a Redis cluster, each whole on one. A sale from all of them sells exactly
// what there is, also when a node dies in its middle and takes what it knew along: its pools go on without it, the others
// notice nothing.
func TestASaleOnACluster(t *testing.T) {
	const pools, units, buyers = 12, 20, 40
	cluster := embeddedtest.NewRedisCluster(t)
	w := newWorld(t, func() redis.UniversalClient { return cluster.Client() }, nil)
	nodes := []*Service{w.service(), w.service()}
	levels := make([]Level, pools)
	for i := range levels {
		pool := commerce.NewID[commerce.PoolID]()
		for owner(cluster, pool) != i%3 {
			pool = commerce.NewID[commerce.PoolID]()
		}
		levels[i] = w.put(Supply{Pool: pool, Show: w.show, Variant: commerce.NewID[commerce.VariantID](), OnHand: units})
		for _, key := range gateKeys(pool, 1) {
			if cluster.Owner(key) != i%3 {
				t.Fatalf("%s is on another node than its pool", key)
			}
		}
	}
	const dead = 1
	var group sync.WaitGroup
	won := make([]atomic.Int64, pools)
	half := make(chan struct{})
	var answered atomic.Int64
	for i := range pools * buyers {
		group.Go(func() {
			at := i % pools
			_, err := untilAnswered(t.Context(), nodes[i%2], tapOf(levels[at], fmt.Sprintf("gst_%d", i)))
			if err == nil {
				won[at].Add(1)
			} else if !errors.Is(err, ErrSoldOut) {
				t.Errorf("pool %d: %v", at, err)
			}
			if answered.Add(1) == pools*units/4 {
				close(half)
			}
		})
	}
	<-half
	cluster.Kill(dead)
	group.Wait()
	for i, l := range levels {
		if _, taken, live, _ := w.level(l.Pool); won[i].Load() != units || taken != units || live != units {
			t.Errorf("pool %d: %d heard yours, %d taken, %d live, of %d", i, won[i].Load(), taken, live, units)
		}
		if owner(cluster, l.Pool) != dead {
			w.settled(nodes[0], l.Pool)
		}
		w.balanced(l.Pool)
	}
}

// owner is the node that has the gate's copy of a pool.
func owner(cluster *embeddedtest.RedisCluster, pool commerce.PoolID) int {
	return cluster.Owner(gateKeys(pool, 1)[0])
}
