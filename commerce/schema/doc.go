// Package schema owns how Postgres is used: the migrations, the one way to open a transaction, and the
// mark that keeps calls to the outside out of transactions.
//
// # Transactions
//
// Writes take a pgx.Tx, reads take a Querier (a pool or a Tx). Only workflows open transactions, through
// InTx (read committed, for writing) or Snapshot (repeatable read, read only: everything seen is of one
// moment). Both hand their function a marked ctx: clients of payment providers, Redis and mail call Outside
// first and refuse to work inside, because a row lock would be held for as long as somebody else's network
// takes. A function given to InTx runs again when Postgres says 40001 or 40P01, so it must not change
// anything outside its transaction that is not overwritten by the next run.
//
// # Migrations
//
// Numbered SQL files in migrations/, embedded, applied by Migrate. Two nodes may start at once: one applies,
// the other waits on an advisory lock. A file that has been released is never edited.
//
// # Concurrency
//
// No goroutine is started here; every function works in its caller's.
//
// # Imports
//
// pgx and goose, nothing of ours. schematest (a database per test) is imported by tests alone.
package schema
