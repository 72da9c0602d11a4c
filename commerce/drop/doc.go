// Package drop releases units at an exact time: until then a variant of a show is seen and cannot be bought, and from
// then on it is sold first come, first served.
//
// # Overview
//
// Put schedules a drop, moves it until it has opened, or opens it now. It opens the window of the variant's pool
// (stock.SetWindow) and tells the audience (drop.set); nothing runs at the time itself. A tap is judged by two
// clocks, that of Redis at the gate and that of Postgres at the claim, and must be late enough for both; the clocks
// of nodes and browsers decide nothing, and pages open their button by the server's clock.
//
// A variant may have several drops in a show, one after the other; the latest one counts.
//
// # Concurrency
//
// No goroutines, no state. The caller has locked the show, so its drops change one at a time.
//
// # Invariants
//
// At most one drop of a variant in a show has not opened yet. A drop that has opened never moves. Whether it has is
// judged by Postgres' clock once the pool's row is locked, so a moved drop has sold nothing.
//
// # Lock order
//
// Show (the caller), pool, drop, then the outbox stream of the show.
//
// # Imports
//
// commerce (ids), schema, outbox; account (who asks), show, stock.
package drop
