// Package guard holds what stands between the world and the rest of commerce: signed tokens, rate limits and
// idempotency keys.
//
// # Overview
//
// Signer makes and checks short signed texts: the guest cookie, a studio's publish ticket, a room ticket, the
// link to an order. Limiter answers "may this happen once more now, and if not, when?". With Redis all nodes count
// together; without it, or while it is away, each node counts alone: a limit is a fence against abuse, and a
// fence that stops sales when Redis blinks would be worse than a lower one. For what crowds do (taps) a rule may let each node
// count a few of a key alone before it tells the others (Rule.Alone): some more pass at once then, the pace stays the same. ClaimOnce notes, before any work is
// done, that somebody works on a request, and answers a repetition with what was answered first.
//
// # Concurrency
//
// No goroutines; everything may be called from many at once. Limiter's own buckets (buckets.go) are guarded by one mutex.
//
// # Invariants
//
// A token of one kind never passes as another. The memory of a Limiter is bounded (MaxBuckets).
//
// # Imports
//
// schema (to refuse Redis inside a transaction), go-redis. Nothing else of ours.
package guard
