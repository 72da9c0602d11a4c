// Package show owns shows: one selling event of a creator each, with its schedule, its state on the air, its
// run sheet (what it sells, in which order), its brands (who may put their products on it), its pin and its stream key.
//
// # Overview
//
// A workflow locks the show first (Lock), judges who asks (Show.MayEdit), and calls the writer it wants; all
// writers work in the caller's transaction and write their events last. Events gives the same events as a
// snapshot, for people who join.
//
//	scheduled -> live (first media arrived) -> ended
//	scheduled -> ended
//
// Live and on the air are two things: a creator whose line drops is live and off the air.
//
// # Concurrency
//
// No goroutines, no state. Lock serialises the writers of one show.
//
// # Invariants
//
// An ended show never changes again. Only the hash of a stream key is kept. The generation of a key grows.
//
// # Imports
//
// commerce (ids), schema, outbox, cursor, account (who asks), catalog (products of the run sheet).
package show
