// Package chain is the public account of a pool's units: each of their movements, in order, each sealed with a hash over
// itself and the one before it, so that nothing in it can be changed, left out or put in later without its being seen.
//
// # Overview
//
// Movements (stock) are written by triggers in the transactions that move units. Those of one pool run side by side and must
// not wait for each other, so nothing is chained there: the Sealer appends to unit_seal what those transactions have left,
// about a second later. Accounts, Get and Rows read it, Write makes a file of it, and Check judges such a file with nothing
// but the file: `rialto verify --chain`.
//
// # What is hashed
//
// The hash of a row is SHA-256 over one line of text, its parts separated by one space, without a line end:
//
//	rialto-chain-1 PREVIOUS POOL N AT KIND ORIGIN TARGET UNITS HOLDS COMMITMENT
//
// PREVIOUS is the hash of the row before, and 64 zeros for the first one. POOL is the pool's id (pol_…). N counts from 1
// without gaps. AT is when the transaction that moved the units began, by the clock of Postgres, in UTC with six digits:
// 2026-01-02T03:04:05.000000Z. KIND, ORIGIN and TARGET are words of Kinds and Buckets. UNITS is how many moved, HOLDS how many
// holds they are of. Numbers are decimal; hashes are 64 lower-case hex digits.
//
// COMMITMENT stands for whose units they are, and is all that is public of it. It is SHA-256 over one line (with its line
// end) for each of the movement's holds: the hash of the hold's id, which is SHA-256 over its text (hld_…), in ascending
// order. A buyer knows their hold's id, nobody else does, and it has over 60 random bits; so a buyer can find their units in
// the file, and nobody else can tell whose they are:
//
//	grep "$(printf %s hld_… | sha256sum | cut -c 1-64)" FILE
//
// What the same hash in several rows does tell is that they are of one hold: how long some buyer took to pay. Names, prices,
// orders and addresses are in no row.
//
// # The file
//
// JSON lines. Each is an object with one member, and exactly as encoding/json writes it. First {"chain":…} with the format
// and the pool; then for each row {"row":…}, followed by its {"holds":[…]}, MaxPerLine of them a line; last {"end":…} with the
// number and hash of the last row and the totals. It ends where the chain ended when it was asked for. Who has kept the hash of
// an older end finds it in every later file, or the past was rewritten.
//
// # The order
//
// Rows are in the order of the movements' ids. Whoever moves units has locked the row that they come from before the
// movement gets its id, so in this order no bucket is ever below zero; in the order of transaction ids it could be, since a
// transaction has its id long before it waits for that lock. But ids are not committed in their order. So the Sealer notes
// the newest id that it sees, then takes a transaction id of its own: all that have a movement up to the noted one have
// older ones, because they had changed a hold or a pool before. Once the oldest transaction that still runs is not older than
// the Sealer's (pg_snapshot_xmin), each movement up to the noted id can be seen or will never be, and they are sealed. A
// movement that is late therefore makes those behind it wait, as does whatever else writes to that Postgres and does not end;
// and nothing can come in before what is sealed. What writers pay for all of this is nothing: their table and their
// transactions are as they were.
//
// Whatever sealed it, the same movements make the same chain: nothing of the Sealer is in it, and no transaction id is kept,
// so a database that was restored on another server goes on where it was.
//
// # Concurrency
//
// Sealer.Run, one per node, is started and awaited by the program. One of all nodes seals at a time, under an advisory lock that
// ends with its transaction; the others come back. One lock serves all pools: a batch takes movements as they come, and
// the newest sealed id says where the next batch begins, so that pools in which nothing moved cost nothing. Being killed
// anywhere loses nothing: the next look begins behind the last batch that was committed. A Sealer is not for two goroutines.
//
// # Invariants
//
//   - unit_seal is only added to; each movement is in it once, with its pool's next number (unique indexes).
//   - A row's hash is right, its totals are the sums of all rows up to it (both: rialto verify).
//   - allocated = available + held + sold in each row; held has what is being paid in it.
//
// # Imports
//
// commerce (ids), schema, cursor.
package chain
