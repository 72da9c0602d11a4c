// Package bridge is the only glue between media, realtime and commerce, which
// do not know each other. One file and one function per flow; no state and no
// business rule lives here.
//
//	flow          from                          to                       what is lost, and when
//	Authorize     whip: a publish or a watch    show keys, tickets, bans nothing: no answer of Postgres is a 503
//	Authenticate  ws: a join                    tickets, sessions,       nothing: the page joins again
//	                                            guests, bans, orders
//	Snapshot      realtime: a room opens        show, price, stock,      nothing: the room asks again
//	                                            drop, community
//	Withdrawn     realtime: an event            what joiners are not     nothing: it comes in order, and in the snapshot
//	                                            shown of the chat
//	Said          api: a line is taken back     what the bus remembers       a line that is long past: noted as it is told
//	Rules         chat: a line                  community                an order that is lost: read again within 30 s
//	Commands      chat: a text with a /         community, show          nothing: the page is told
//	Taps          ws: a tap on Buy              api: what judges those   nothing: the same id finds the result
//	                                            that come over HTTP
//	Events        outbox, lane event            bus                      nothing: kept in Postgres until the bus has it
//	Control       outbox, lane control          bus, to every node       nothing while the bus answers: kept until then
//	              (me: with the documents' versions)
//	Obey          bus: an order                 media and realtime       an order a node never got while it was cut off
//	                                                                     from the bus: grants and joins are judged
//	                                                                     again when it reconnects
//	OnAir         media: first packet, silence  show, and the clocks of  a flicker shorter than a write
//	                                            its offers (outage)
//
// It imports all areas and is imported by cmd/rialto alone.
package bridge
