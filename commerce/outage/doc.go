// Package outage sees to it that time which nobody could use does not run.
//
// # Overview
//
// A Keeper beats: once a second one of all nodes moves the one row of the table beat on, by Postgres' clock. Whoever finds the
// last beat older than Gap has found an outage, from that beat until now: Postgres was away, hung, or no node ran, which is the
// same to buyers, a restart or a deploy included. In one transaction, which also moves the beat on, the deadlines of held and
// paying holds and of open payments are extended by the part of it that each has lived through, at most MaxMoved (after a
// night in which nothing ran a hold of yesterday lapses all the same). So each outage counts once, whichever node comes
// first, and whoever dies on the way has done nothing.
//
// While it lasts nobody else changes a hold: about 25 microseconds for each one that is open, which makes five seconds of taps
// that are told to come again (503) with 200,000 of them.
//
// Until that transaction is committed nothing lapses that had not lapsed at the last beat: all that judges a deadline does so
// by schema.Usable. A last beat is up to a second older than the outage, so nobody gets less time than they lost, and nobody
// more than a second (Every) too much. What is shorter than Gap is no outage.
//
// While the creator of a live show is off the air, the clocks of its pools stand (stock.Freeze): its flash prices do not end and
// its holds do not lapse. Both go on when the media is back, the show ends, or MaxFrozen is over, and have as long left as they
// had then (stock.Thaw). What began meanwhile, a hold or a planned flash price, begins as it would have, and its clock stands from
// there. A payment that is under way is between its buyer and their bank, and its deadline stays. The clocks stop and go on in the
// transaction that notes whether a show is on the air (SetOnAir); what no such transaction saw to (a node that was killed, a show
// that was ended, the cap) a Keeper's look finds. Each such time is a row that is ended once, with the clocks.
//
// The one within the other counts once: an outage of Postgres moves nothing that stands, but for what came before it stood, and
// clocks stop no sooner than the last outage was over.
//
// # Concurrency
//
//	Keeper.Run  started and awaited by the program; works alone
//
// # Invariants
//
//   - The deadlines move and the beat moves on in one transaction: once over all nodes.
//   - What had lapsed before an outage stays lapsed.
//   - No clock of a node is asked.
//
// # Lock order
//
// An outage: the beat, payments, pools, the table of holds (against whoever changes one), flash prices, the outbox. A show's
// clocks: the show, its pools, holds, flash prices, the outbox.
//
// # Imports
//
// commerce (ids), schema, outbox; show; payment, price, stock.
package outage
