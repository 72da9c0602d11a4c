// Package rush measures what a rush on one variant costs: `rialto bench stock`.
//
// # Overview
//
// A run starts a Postgres and a Redis of its own, as durable as their defaults make them, and puts a pool of units in
// show. Buyers tap as fast as they are answered (package stock, the same Service that the program runs): once with units
// for everybody, where every "yours" has been committed in Postgres before it is said, and once where nearly all lose.
//
// Then they tap over the wire: the program runs as a process of its own (`rialto bench node`, which is `rialto serve` on a
// free port) on the same stores, and so many lines are open to it, each of which taps as soon as it was answered, over HTTP
// (PUT /api/v1/holds/{id}) and over WebSockets (hold.put). Everything that the program does for a tap of a page is in it:
// cookies, limits, offers, the show's audience, metrics. Over HTTP each tap is another guest's, from an address of its own,
// as through a proxy. A socket is one person's, who may say five things a second: the node takes each tap over one for
// another person's, and lets them talk. That is all that is not as everywhere. The crowd is one thread of this process that
// reads and writes by system calls (crowd.go), with requests and frames that are ready but for the hold's id (overhttp.go,
// oversocket.go), for it shares the machine with what it measures.
//
// Two things stand beside it, measured in turn with it on the same stores. redis-benchmark says how many SET a second this
// Redis takes over 50 connections. And the way of many shops (a row locked with SELECT ... FOR UPDATE, stock compared in the
// application, a reservation inserted, the row written) says how many orders a second it brings over 32 connections.
// Ratios are those of one round; of several rounds the middle one is told.
//
// Whole purchases are measured from the tap to the mark that the money is taken: hold, pay tap, authorisation, confirmed order
// with its ledger and outbox rows, capture, mark. Once the payment company is a stub in this process that says yes at once, so
// that Rialto's own cost is seen, and once the real sandbox, a process of its own. Beside it stands the way of many shops: the
// same rows, by a transaction per step.
//
// Buyers, server and stores share this machine's cores, for all of them alike.
//
// # Concurrency and lifecycle
//
// Run owns all: buyers and lines end with their window, the node with its part, stores with the run, however it ends
// (embedded.StartChild).
//
// # Invariants
//
// Load goes to this machine only, and ends by itself. Who was told "yours", or that an order is theirs, is compared with
// what Postgres has, and what was bought is looked through by `rialto verify`: a difference is ErrBroken. Speeds are told, never asserted by tests.
//
// # Dependencies
//
// commerce (stock, checkout and what they need; for the show of the node account, show, catalog; for cookies guard and the
// names in api; verify), cmd/rialto/embedded.
package rush
