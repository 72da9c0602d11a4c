// Package crash names the places where the program is killed on purpose, to see that nothing is lost.
//
// # Overview
//
// Here marks a place between two steps that must not depend on each other's luck: after a commit and before its answer, after a
// call and before it is noted. It does nothing, and costs nothing, in the program that people run. Built with -tags crashpoints
// the program can be armed with one place and the pass at which it dies there (Arm), as a power cut would have it: SIGKILL, no
// deferred call, no flush.
//
// # Invariants
//
// Each name of Names stands at one place of the code, and no other does; a test compares them.
//
// # Concurrency
//
// Nothing runs here. Here may be called by any number of goroutines; passes are counted over all of them.
//
// # Imports
//
// The standard library.
package crash
