// Package stock promises units to buyers and never promises one twice.
//
// # Overview
//
// A tap for a unit goes through two stages. The gate (gate.lua in Redis) admits at most as many taps as there
// are free units and answers everybody else at once. The truth (the pool and hold tables) commits the
// admitted ones; nobody hears "yours" before that. Redis may therefore lose anything at any time: it can only
// admit too few or too many, and Postgres' CHECK refuses the second.
//
// A claim is one transaction of two trips: the first locks the pool's row, ends what has lapsed and reads what is known of
// the batch; then the batch is judged (judge.go), and the second copies its rows in, writes the rest and commits. In a rush
// the first trip is left out: the batch is judged by what the claim before has left, and the transaction holds only if that is still
// so (hope.go). The row is free for the next claim then; the buyers hear of it when the disk has it (flush.go).
//
// Each pool has a lane: taps that arrive while a call is in flight gather and go together in the next one, so
// a surge costs one Redis call and one Postgres transaction per few hundred taps. An idle lane sends at once.
//
// # The epoch
//
// The gate's copy of a pool lives under keys that carry the pool's epoch. Whoever finds the copy missing adds
// one to the epoch in Postgres, reads what is free in the same transaction, and loads a new copy (head key
// last). The epoch travels with each tap from the call that admitted it to the claim that commits it: a claim
// of another epoch breaks the pool's CHECK and undoes itself. So units are counted by exactly one copy, and a
// unit that comes back goes to the copy of the epoch in which Postgres took it back, or to none.
//
// # Crowds that lose
//
// Once a pool is sold out nearly all taps are by people who have nothing of it. A lane that has read who has something (roster.go)
// asks the gate about all others together, by what they wish; the copy's stamp says whether what it has read is still so.
//
// # Several lines
//
// A hold may have several lines, each of another pool of one show (basket.go): the gates admit them one after the other, each in
// the calls of its pool's lane, and one transaction commits all of them or none, with the baskets of others who come at once
// (basketclaim.go). In the tables each line is a hold row, which names the hold (part_of); whoever pays, sells or frees the hold
// moves all of its rows.
//
// # The timed offer
//
// Beside its standing offer a pool may have a timed one, in a window and for at most so many units (SetOffer). While
// it is on and has the units that a tap wants, a tap at the standing offer is refused: nobody pays more than the price
// that holds. Both stages judge so, each by its own clock. The gate counts the cap like the pool; what it has let in at
// the timed offer is on its way to Postgres, so a tap that it lets in at the standing offer beside a used up timed one
// is marked, and the claim does not look for units there again. timed_taken has a CHECK like taken. Units that come
// back go back to the cap when they were taken at the pool's present timed offer, which a hold's version tells.
//
// # Leases and tombstones
//
// What the gate admits is leased for a few seconds under the tag of its call; a committed batch settles its
// tag. When a tag lapses (its node died between the two stages) its ids are written as tombstones first, and
// only those that Postgres had never seen go back to the gate. A tombstoned id can never become a hold.
//
// # Without Redis
//
// While Redis does not answer, taps go to Postgres alone (direct.go), at a pace that it holds; they wait for their turn for a
// moment, and are told to come again beyond it. Whoever loses leaves nothing there. When Redis is back the copies are made anew,
// with the next epoch; a copy that another node has made before the last such claim was committed is removed before its buyers
// hear "yours" (pool.past_epoch, pastCopy).
//
// # Time that was lost
//
// A hold lapses when its deadline is before schema.Usable: now, or, as long as it is not known for how long Postgres was away,
// the last moment at which it was there. Package outage then moves the deadlines (Extend). It also has the clocks of a show's pools
// stand (Freeze) while its creator is off the air: holds do not lapse and the timed offer does not end, by frozen_at in the pool's
// row, and all of them have as long left afterwards (Thaw).
//
// # Movements
//
// Units move by double entries, like money: unit_movement has a row for each step from one bucket of a pool to another
// (supply, available, held, paying, sold), and unit_entry shows both sides of it. Triggers write them with the change
// itself: nobody who changes on_hand or a hold's state, by hand even, can forget to. Balances are derived, and
// compared with the rows that decide (rialto verify). The steps of a batch are one row. What it costs:
// BenchmarkMovements. Everybody may read a pool's movements, chained by their hashes: package chain does that behind
// the transactions that write them.
//
// # The leak detector
//
// Once a second one node, in turn, looks whether Redis, the pools, their holds and the movements still say the same (drift*.go),
// while everybody sells. It finds a unit that a hand, a fault or a lost message has moved, reports it (table stock_drift, the
// log, metrics drift_found and drift_repaired, rialto verify while it is open) and puts it right.
//
// What it compares:
//
//   - The pool's row, its holds and the balances of its movements are read in one statement, so at one moment. Every step of a sale
//     changes them together or not at all; what differs there has drifted, however busy the pool is. No lock is taken.
//     Balances are the last sealed totals (package chain) and what has moved since.
//   - The gate's copy differs rightly: units are on their way. So the pool's row is read before and after the copy; when the
//     same transaction has written it (xmin), Postgres stood still for this pool at the moment of the copy. What the copy
//     counts and Postgres does not must then be ids under an open lease (admitted, not judged yet), or of holds that ended at
//     most the time of a lease ago (the news is on its way). drift.lua lists those at the moment at which it reads what
//     is free. Whatever is left over must be found by three looks in a row, in the same direction. Copies that somebody knows
//     to be wrong already (pool.past_epoch, a lane's rebuild) are theirs to make anew.
//
// What decides: the holds. What somebody was told is theirs stays theirs. pool.taken gets the difference in one conditional
// UPDATE; differences, unlike counts, are not changed by whoever sells meanwhile. A movement of kind 'edit' explains to the
// public ledger what a hand has done, and names the hold where it can be known. The epoch ends in the same transaction: the
// gate's copy is made anew, whatever was on its way is admitted once more, and a second detector finds nothing to do. The
// finding is committed before that, so that being killed in between hides nothing. When holds have more than there is on
// hand, taken says that nothing is left (its CHECK stands), every hold is kept, and the finding stays open until a person has
// ended some of them or put more on hand. Until then a unit that comes back may be sold once more before the next look.
//
// What it costs and how far it reaches (BenchmarkDrift): a turn looks at the pools that this node sells from or that moved
// last (busyPools) and at the next ones of a tour of all (tourPools), and adds up busyRows and tourRows rows of their holds.
// Within these numbers every pool is compared each second. Beyond them taken is still compared with the movements of each of
// those pools, and the rest waits: n pools in all take n/tourPools seconds, a pool of n holds up to n/busyRows more, n copies
// with units on their way n/maxSuspectCopies. A unit
// that Postgres has taken back and nobody told the gate of is found when it is returnsWithin old; an id under a lease, when
// that lapses. A gate that has admitted more than there is gets caught by the claims first (gate_rebuilds, "short").
//
// # Invariants
//
//   - 0 <= taken <= on_hand, taken = held + paying + sold: by CHECK and by changing both in one transaction.
//   - At most a timed offer's cap is held, being paid and sold at its version.
//   - A hold id means one hold of one buyer for ever; repeating it repeats the answer.
//   - No buyer holds and owns more than the pool's cap.
//   - Each change of taken writes a stock.set event in the same transaction.
//   - The balances of a pool's movements are what is available, held, being paid and sold.
//   - The lines of a hold are held, paid and sold together.
//   - State changes follow the table in states.go; each is one conditional UPDATE judged by Postgres' clock.
//
// # Lock order
//
// Pool rows in the order of their ids, then hold rows, then rows of stock_drift, then the outbox stream of the show. A transaction
// that moves only a hold (paying, sold) takes no pool row.
//
// # Concurrency
//
//	Service.Run     started and awaited by the program: sweeps lapsed holds
//	watch.run       one per Service.Run, which waits for it: looks for drift
//	lane gate loop  at most one per pool, started by the first tap, ends when its queue is empty
//	lane claim loop the same, for the second stage
//	lane.answer     at most maxFlushes per pool, each for one claim that is committed
//	holdAll         one per hold of several lines under way
//	awaitGate       one while Redis is away; ends when it is back, or with Run
//
// Run waits for all lanes before it returns; taps that come later are refused with ErrUnavailable.
//
// # Imports
//
// commerce (ids), money, schema, outbox, gather, crash; go-redis. No package of its own layer.
package stock
