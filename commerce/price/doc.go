// Package price owns what a variant costs in a show at a moment: its standing price (catalog's), and beside it at most
// one flash price, which holds from a start to an end for at most so many units.
//
// # Overview
//
// Set puts a flash price on a variant of a show, Cancel ends it; both give the variant's pool a timed offer
// (stock.SetOffer), and that judges the taps. A flash price that is over stays what the show says until another one
// is set: pages judge start and end by the server's clock, so nothing runs at either time. The price of a hold is
// locked: no later change touches it.
//
// Reprice follows a standing price that has changed, and Announce tells every show that sells the product.
//
// # Concurrency
//
// No goroutines, no state. Whoever changes a price has locked the product (catalog.Save, catalog.LockOf), so prices
// are announced in the order in which they change.
//
// # Invariants
//
//   - A flash price is below the standing price; one that is not any more ends with the change that made it so.
//   - A flash price that was made never changes, but for its end, which moves with time that nobody could use (Moved). Its id
//     stands for it for ever.
//   - Of each variant in a show at most one flash price is the present one: that whose version is the pool's.
//   - Never more than cap units are held, being paid and sold at a flash price (stock's CHECK).
//
// # Lock order
//
// Show (the caller), product, pool, flash, then the outbox streams.
//
// # Imports
//
// commerce (ids), schema, outbox; account (who asks), catalog, show; stock.
package price
