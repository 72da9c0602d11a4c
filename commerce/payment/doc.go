// Package payment moves money through somebody else who holds it.
//
// # Overview
//
// Provider is what any payment company must be able to do for us; Vault turns a card into a one-time token, so
// that no card number is ever stored, logged or put in the outbox. sandbox/ is a provider of play money with its
// own server, stripe/ is Stripe; paymenttest/ is the suite that both pass. NotConfigured answers while there is none.
//
// Payment is our own record of one try to pay one order: committed before the provider is called, under an id
// that is the idempotency key and the reference of every call. An answer that never came makes it unknown; it
// is asked for until it is known, always under the same id.
//
// # Invariants
//
// A state changes only by the table in states.go. What is captured is never more than what was authorised (a
// CHECK). No call is made inside a database transaction. A payment is driven by one caller at a time (a lease
// in its row), and a second one changes nothing: every call is idempotent by its key.
//
// # Concurrency
//
// Nothing runs here; the sandbox's server is run by the program.
//
// # Imports
//
// commerce (ids), money, schema, guard, crash. sandbox/ and stripe/ import this package.
package payment
