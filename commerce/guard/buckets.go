package guard

import (
	"hash/maphash"
	"time"
)

// buckets are the token buckets of one node, MaxBuckets at most. A crowd comes from as many addresses as it has people, so
// that they are many and new ones come by the thousand: they stand side by side, name each other by number and point at
// nothing, which spares the garbage collector all of them. Its owner's lock guards them.
type buckets struct {
	// static
	seed  maphash.Seed
	begun time.Time // times are counted from here: a clock that is set moves none

	places         map[bucketKey]int32
	all            []bucket
	newest, oldest int32 // by use; the others are found from there
}

// bucketKey stands for a rule and a key. It is a hash that nobody outside can aim at: of two keys that had the same, which will
// not be seen, one would count for the other.
type bucketKey uint64

type bucket struct {
	key          bucketKey
	newer, older int32
	full         time.Duration // after begun: when the bucket will be full again; the whole state of a token bucket

	// Of rules with Alone:
	untold int           // have passed here, and Redis does not know
	shut   time.Duration // after begun: Redis has refused until then
}

const noBucket = -1

func newBuckets(now time.Time) buckets {
	return buckets{seed: maphash.MakeSeed(), begun: now, places: map[bucketKey]int32{}, newest: noBucket, oldest: noBucket}
}

func (b *buckets) key(rule, key string) bucketKey {
	var h maphash.Hash
	h.SetSeed(b.seed)
	_, _ = h.WriteString(rule) // which never fails, as the others
	_ = h.WriteByte(0)
	_, _ = h.WriteString(key)
	return bucketKey(h.Sum64())
}

// get is the bucket of a key, which is now the one used last. It holds until the next get.
func (b *buckets) get(key bucketKey) *bucket {
	at, known := b.places[key]
	switch {
	case known:
		b.unlink(at)
	case len(b.all) < MaxBuckets:
		at = int32(len(b.all))
		b.all = append(b.all, bucket{key: key})
	default:
		at = b.oldest
		b.unlink(at)
		delete(b.places, b.all[at].key)
		b.all[at] = bucket{key: key}
	}
	if !known {
		b.places[key] = at
	}
	b.lead(at)
	return &b.all[at]
}

func (b *buckets) unlink(at int32) {
	one := &b.all[at]
	if one.newer == noBucket {
		b.newest = one.older
	} else {
		b.all[one.newer].older = one.older
	}
	if one.older == noBucket {
		b.oldest = one.newer
	} else {
		b.all[one.older].newer = one.newer
	}
}

// lead makes one that is not in the order the newest.
func (b *buckets) lead(at int32) {
	b.all[at].newer, b.all[at].older = noBucket, b.newest
	if b.newest == noBucket {
		b.oldest = at
	} else {
		b.all[b.newest].newer = at
	}
	b.newest = at
}

// take takes one, or says how long to wait.
func (b *bucket) take(now time.Duration, rule Rule) time.Duration {
	// After this one the bucket is full one pace later; it overflows when that is more than a whole
	// bucket away.
	full := max(b.full, now) + rule.Every
	if over := full - now - time.Duration(rule.Burst)*rule.Every; over > 0 {
		return over
	}
	b.full = full
	return 0
}
