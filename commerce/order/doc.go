// Package order keeps what buyers have bought: orders, their lines and their receipts.
//
// # Overview
//
// The pay tap makes an order pending; the payment's end confirms or cancels it; capture follows. Only
// confirmed orders have a receipt number.
//
// # Invariants
//
// A state changes only by the table in states.go, each step one conditional UPDATE. A hold has at most one
// order that is not cancelled (a unique index). Orders are written and moved in batches, one of which may be of one. The goods are what the lines sum to; the total is goods and delivery, and
// the tax when it is added (a CHECK). Costs and address are those of the moment when the order was made.
//
// # Concurrency
//
// Nothing runs here.
//
// # Imports
//
// commerce (ids), money, schema, cursor; delivery.
package order
