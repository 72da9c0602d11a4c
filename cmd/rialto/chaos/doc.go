// Package chaos is `rialto bench chaos`, or `make chaos`: every failure that a purchase knows, with every fault of what it
// stands on, under a crowd of buyers who never tap only once; and it checks itself that nothing was sold twice, lost, or
// charged for nothing.
//
// # Overview
//
// Run opens a world of its own (world.go): a Postgres, a Redis, a payment sandbox with a Postgres of its own, and two nodes,
// which are this program, built with -tags crashpoints and run as children that somebody starts again whenever they end
// (node.go). Between nodes and sandbox stands a wire that loses calls and webhooks (bank.go), and buyers' connections can be
// cut in the middle of a request (line.go). Then it goes through the matrix (matrix.go), cell by cell:
//
//	prepare   a show with three pools: what is gone at once, what is soon gone, what lasts
//	rush      96 guests buy for six seconds (errand.go, buyer.go), over HTTP and in the show's room, one of eight two things
//	          in one tap, while the row's failure and the column's fault come and a node dies (script.go)
//	heal      everything is well again, every buyer asks with the same id until there is an answer, nothing is under way
//	judge     what each buyer was told, against Postgres and the company's books (judge.go), and `rialto verify`
//
// # The failures
//
// The numbers are those of the table of failure points in the design of commerce. Where no place is named the program is killed
// at a moment. Where it is tested besides:
//
//	1  request lost before the server      30 of 100 requests are cut in half              commerce/api, realtime/client
//	2  node dies after admit               dies at stock.admitted                          cmd/rialto TestDeathAtEachPlace…
//	3  COMMIT outcome unknown              dies at stock.committed                         the same; commerce/stock faults_test
//	4  reply lost                          30 of 100 answers are cut off                   commerce/api, bridge
//	5  Redis killed or flushed             one of the two                                  cmd/rialto TestSurge…, commerce/stock
//	6  Redis failover loses decrements     Redis is what it was some time ago              commerce/stock faults_test
//	7  Redis down long                     away until the crowd goes                       commerce/stock, commerce/drop
//	8  Postgres down                       killed, and away for a while                    cmd/rialto deadstores_test
//	9  expiry races the pay tap            deadlines come near; dies at checkout.begun     commerce/stock expiry_test
//	10 dies after the intent row           dies at checkout.begun, .driven                 commerce/checkout crash_test
//	11 call sent, answer lost or 500       30 of 100; dies at .authorised, .waits,         the same; payment suites' faults
//	                                       .declined
//	12 webhook early, twice, out of order  80 of 100; dies at payment.received, .noticed   commerce/checkout notices_test
//	13 authorised but stock gone           a wrong hand takes units that are being paid;   commerce/checkout crash_test
//	                                       dies at .void_called
//	14 dies after confirm                  dies at .confirmed, .capture_called, .captured, the same
//	                                       outbox.effect_done
//	15 method without manual capture       the wire takes each charge at once; wrong hand  commerce/checkout
//	16 webhooks lost for days              none comes                                      cmd/rialto bank_test
//	17 refund crash                        not here: there are no refunds of orders yet
//	18 clock skew at a drop                a drop opens; the nodes' clocks are 2 s ahead   commerce/drop surge_test
//	                                       and 2 s behind, in all cells
//	19 Postgres loses a commit             a backup is restored, Redis emptied, and        commerce/checkout rebuild_test
//	                                       `rialto verify --rebuild` run
//
// The faults: none; Redis killed, emptied twice, paused; Postgres killed, paused; the sandbox killed while 40 of 100 calls to it
// go wrong.
//
// What 19 does not have: the company is not told what was bought, so that an order which was paid after the backup is not made
// again; its money goes back whole, and it is counted as lost with the backup. Only a synchronous standby keeps such orders.
// What 18 does not have: the clocks that are wrong are those that a node hands to its parts; the machine's own is one.
//
// # The same again
//
// A seed decides which cells come in which order, when a fault comes and how long it lasts, where a node dies and at which pass,
// what goes wrong with the n-th call and webhook, and what each buyer means to do. The machine decides how far everybody has
// come by then: the same seed brings the same trouble, and not the same times. A cell hangs on the seed and its name alone, and
// can be brought alone (--only).
//
// # Concurrency and lifecycle
//
// Run owns all, and returns when all has ended, also when its context ends. Children die with the program.
//
//	goroutine   how many      what it does
//	run         Run's own     goes through the cells, heals, judges
//	process     3             keeps a node, or the sandbox, alive
//	wire        1             serves, and one for each late webhook
//	buyer       1 a buyer     does errands; at the end finds out what it does not know
//	socket      1 in 3 buyers realtime/client
//	trouble     up to 3       the failure, the fault, the death
//
// # Imports
//
// commerce (ids), commerce/api (the name of a call), stock, verify, crash; realtime, realtime/client; cmd/rialto/embedded; pgx,
// go-redis.
package chaos
