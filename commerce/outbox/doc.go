// Package outbox holds what must happen outside of Postgres because of something committed inside of it.
//
// # Overview
//
// Event, Control and Effect write rows in the caller's transaction: they exist exactly when the data that
// they speak of does. A Dispatcher on every node delivers them through the handlers it was given. There are
// three lanes, and none can hold up another:
//
//   - event: what a show says to its audience, in order. Each row gets the next number of its show, and the
//     show's row in outbox_stream stays locked until the writer commits; so commit order is number order.
//     Taking that row must be the last lock of a transaction. The number is the event's version.
//   - control: an order to every node about open connections (revoke, close). At once, in no order.
//   - effect: one call to the outside (capture, void, mail), named by kind and id. Unordered, retried,
//     may wait until a time. Writing the same kind and id again changes nothing.
//
// # Delivery
//
// At least once: a node may die between the call and its note of it. Handlers are idempotent by Message.ID.
// Events and controls are claimed by locking their rows with SKIP LOCKED while they are handed over, so a
// dead node's claim is free at once; the head row of a show stands for the show, so no two nodes speak for
// it. Events are told when they are durable, though the transaction that wrote one may not have waited for the disk (schema.Durable):
// a number that has been told is never given again. Effects may be slow, so they are claimed by a lease in the row, and no transaction is open meanwhile.
//
// A failure wrapped in Unavailable (the receiver is away) is tried again for ever. Any other failure is tried
// again too, until its lane's limit; then the row is parked: kept, counted, passed over, brought back by
// Unpark. Permanent parks at once.
//
// # Concurrency
//
//	Dispatcher.Run      started and awaited by the program; owns all goroutines below and waits for them
//	  event workers     two; each claims one show at a time
//	  control worker    one
//	  effect claimers   one for each kind of Config.AtOnce, and so many calls of its handler; one for all other kinds, and
//	                    up to MaxEffects calls. Those that are done are marked together, by whoever comes first
//	  trimmer           one, deletes effects that were done long ago
//
// Kick may be called by anybody, any time; it never blocks. It wakes those who work on the kinds that were written.
//
// # Invariants
//
// The event rows of a show that can be seen are the oldest undelivered ones, without gap. A delivered event or control row is gone. A
// parked row stays until a person decides.
//
// # Imports
//
// commerce (ids), schema, gather, crash. It knows no meaning of what it carries.
package outbox
