// Package embeddedtest gives tests real stores: a private Postgres for the
// whole test binary or for one test, and a private Redis for one test.
//
// # Overview
//
// [Postgres] is for most tests: one fast server per test binary, in which each
// test makes its own database. [Redis] starts a server of the test's own in
// some tens of milliseconds. [NewPostgresServer] and [NewRedisServer] are for
// tests of faults: they can be killed, started again and emptied. [NewRedisCluster]
// is three Redis servers that share the keys among them.
//
// A test binary that uses [Postgres] has
//
//	func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }
//
// which ends the shared server. Without it the server still dies with the
// binary, and the next run removes its folder.
//
// # Invariants
//
//   - A missing server program fails the test; nothing is skipped.
//   - Servers of different tests share nothing.
//
// # Imports
//
// embedded alone. Tests of every area may import it, and nothing else may.
package embeddedtest
