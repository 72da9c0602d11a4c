// Package payment moves money through somebody else who holds it.
//
// # Overview
//
// Provider is what any payment company must be able to do for us; Vault turns a card into a one-time token, so
// that no card number is ever stored, logged or put in the outbox. sandbox/ is a provider of play money with its
// own server, stripe/ is Stripe; paymenttest/ is the suite that both pass. NotConfigured answers while there is none.
//
// Payment is our own record of one try to pay one order: committed before the provider is called, by who is about to, under
// an id that is the idempotency key and the reference of every call. An answer that never came makes it unknown; it
// is asked for until it is known, always under the same id. One that the buyer must confirm at their bank (3-D Secure)
// waits: it is asked about with growing pauses, and keeps the bank's address until its outcome is known.
//
// Hooks is the door by which companies tell what happened. What is signed is kept in the inbox (payment_event), once per
// event, and answered; checkout claims it there and asks. A Notice is never believed: it is only a reason to ask now, so
// one that is lost, late, doubled, out of order or a lie costs a few seconds or a question.
//
// # Invariants
//
// A state changes only by the table in states.go. What is captured is never more than what was authorised (a
// CHECK). No call is made inside a database transaction. A payment is driven by one caller at a time (a lease
// in its row), and a second one changes nothing: every call is idempotent by its key. The arguments of an authorisation
// are in the row, so that a repetition is the same call, whichever node makes it. Nothing of a webhook is looked at before
// its signature. An event in the inbox belongs to one node at a time (a lease), and is closed only after its provider was
// asked, or nobody knows its payment for a while.
//
// # Concurrency
//
// Nothing runs here; the sandbox's server is run by the program. Hooks serves in its callers' goroutines.
//
// # Imports
//
// commerce (ids), money, schema, guard, crash. sandbox/ and stripe/ import this package.
package payment
