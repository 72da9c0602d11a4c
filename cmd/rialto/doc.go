// Rialto is live-stream shopping in one program.
//
//	rialto dev       everything on this machine: embedded stores, sandbox money, a demo show
//	rialto serve     one node of an installation, configured by the environment
//	rialto migrate   bring the database to this version and exit
//	rialto admin     what only the owner of the machine may do
//	rialto verify    check every promise the stores hold, or (--chain) a stock ledger that was downloaded; exit 1 on a breach
//	rialto sandbox   the sandbox payment provider
//	rialto bench     what a show costs on this machine, and what a crowd does to it
//	rialto load      a crowd of viewers on any WHEP server
//	rialto openapi   print the OpenAPI document of the HTTP API and the rooms
//	rialto version   which version this is
//
// # How it is put together
//
// media, realtime and commerce do not know each other. This package alone sees
// all three: app.go builds them by hand and owns every goroutine of a node,
// routes.go lists every mount point, bridge/ holds the flows between areas
// (one file each), nodes.go is the directory of running nodes, air.go keeps what
// shows say of their media true when nodes die, and config.go
// is the only place that reads the environment (crashpoints.go does as well, in
// a build that nobody runs: it dies where it is told to). dev.go starts the embedded
// stores and runs the same App as serve.
//
// # Start and stop
//
// newApp connects and builds and starts nothing; App.Run blocks until its
// context ends. Stop order: stop accepting, finish what was promised (open
// requests), end media and rooms, flush the outbox, close the pools.
package main
