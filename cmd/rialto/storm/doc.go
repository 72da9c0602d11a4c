// Package storm is `rialto bench storm`: four nodes of realtime, thousands of
// viewers who come, go and are lost, a bus that loses one message in a hundred, a
// node that dies and a Redis that breaks; and it checks itself that nobody is told
// anything wrong.
//
// # Overview
//
// Run makes a plan of a seed (plan.go), starts a Redis child, four nodes and a
// balancer (store.go, node.go, socket.go), and does what is planned. Two rooms have
// an audience: one of real sockets (realtime/client) with five updates a second,
// one in memory (memory.go) with a thousand, where sockets are a realtime.Socket
// and every byte is taken apart (wire.go), as WebSocket frames, compressed ones and
// an event stream. Each viewer has a watcher (watch.go), which knows from the truth
// (truth.go) what may come next. When all has been said everybody comes back, must
// know the truth, and leaves; then nothing may be left (after.go).
//
// # What is checked
//
// The promises stand in watch.go, each with a counter and with the files to look
// at when it breaks. Lossless events are numbered over all keys: each number must
// come once and in order, over lost lines and on other nodes; a snapshot must be
// exactly what the show was at its number. Events that come behind an older
// snapshot, from a node that is slower than the last one, are told twice on the
// wire and ignored by every page: these are counted as replays. Histories read
// are compared with the runs of messages that were lost on their way.
//
// The same seed makes the same plan and loses the messages at the same places of
// the history. How far a viewer had read when its line broke is this machine's.
//
// # Concurrency and lifecycle
//
// Run owns all and returns when all has ended, also when its context ends.
//
//	goroutine  how many         what it does
//	drive      Run's own        follows the plan
//	lane       5 a room         publishes, one after the other
//	settler    8                lets viewers in memory come and go
//	client     1 a socket       realtime/client
//
// # Dependencies
//
// realtime and its packages, cmd/rialto/embedded, go-redis (whose client a bus is
// given).
package storm
