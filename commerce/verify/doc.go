// Package verify checks what must always be true, from the rows alone.
//
// # Overview
//
// Run reads everything at one moment and prints one line per invariant: what it is, how many breaches it has,
// and the first few of them. It changes nothing and may be run on a live database. What Redis believes is
// compared when a stock.Service is given; that is only meaningful while nobody taps, so a difference is looked
// at again before it counts. A movement of units counts as not sealed only when something happened a minute after it: where
// no node runs, nobody seals.
//
// # Concurrency
//
// Run works in its caller's goroutine.
//
// # Imports
//
// commerce (ids), schema, stock.
package verify
