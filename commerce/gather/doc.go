// Package gather lets calls that come at once go together.
//
// # Overview
//
// A Stage has one thing to do that costs little more for many than for one: a transaction of a few statements, say. Whoever
// comes while it is being done waits, and all who wait go together in the next round. An idle stage begins at once, so that
// a lone caller never waits for company, and a crowd makes its own batches. Stages that lean on the same thing may share Turns.
//
// # Concurrency
//
// Nothing runs here: a round is done in the goroutine of one of its callers, who then hands the stage to the first of those
// who wait. So nothing has to be started, stopped or waited for.
//
// # Invariants
//
// Calls are taken in the order in which they came, each is in one round, and each caller gets the answer of its own call. A
// round is not cut short by a caller who leaves; who leaves before their round began is in none.
//
// # Imports
//
// The standard library.
package gather
