// Package community owns who may take part. Its first piece is the ban: a creator (or an operator) keeps a
// person out of one show, or out of all shows of that creator.
//
// # Overview
//
// Impose and Lift work in the caller's transaction, on a show that the caller has locked and may moderate.
// Imposing orders every node to end the person's open connections (outbox control). Check is asked at every
// door: watching, the room, a hold.
//
// A ban names a subject. A guest can come back as another guest; what that costs them is their place, their
// hold and the rate limits of their address.
//
// # Concurrency
//
// No goroutines, no state.
//
// # Imports
//
// commerce (ids), schema, outbox, show.
package community
