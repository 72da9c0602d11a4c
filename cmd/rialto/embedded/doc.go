// Package embedded runs the stores that `rialto dev` and the tests need as
// private children of the program: a real Postgres, and a real Redis or, when
// none is installed, a small one in the process.
//
// # Overview
//
// [StartPostgres] and [StartRedis] look for programs on this machine
// ([Search]), start them on Unix sockets only (nothing listens on the network,
// no port can be taken), wait until they answer, and return an address.
// [StartChild] is the same machinery for any other child, such as the payment
// sandbox. Nothing is ever downloaded or installed from here.
//
// # Lifecycle
//
// Whoever starts a server stops it: Stop may be called twice and from
// anywhere, returns when the process is gone, and asks politely before it
// kills. The context given to a Start function bounds the starting alone. Done
// is closed when the process is gone for any reason; Err then says why, and is
// nil after a Stop.
//
// # Goroutines
//
//	one per Child   locked to an OS thread for the child's whole life, because
//	                the kernel's death signal watches the thread that forked;
//	                ends with the child, awaited by Stop
//
// # Invariants
//
//   - A child dies with its program, kill -9 included: the kernel sends it a
//     death signal.
//   - A data folder has one owner. The folder's lock is an flock on a file that
//     the children inherit, so it is free only when the program and every
//     process of its stores is gone; the next start waits for such leftovers,
//     and refuses when the owner is alive ([ErrInUse]).
//   - Data is as durable as the store's own defaults unless Fast is asked for.
//   - A Postgres never opens data of another major version; it says so.
//   - The socket's path fits the kernel's 107 bytes, whatever the data folder.
//
// # Imports
//
// No area of the program, so that the tests of every area may use it.
package embedded
