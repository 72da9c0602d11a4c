// Package egress is the sockets that media leaves by, and comes in by: one UDP port with a socket for each worker, and
// system calls that carry many packets.
//
// # Overview
//
// Listen opens a Port (port.go): several sockets (socket.go) of one UDP port, among which the kernel shares what comes in,
// always the same client to the same socket. What a worker sends in one turn is gathered in its Outlet (outlet.go): each
// packet is written straight into the outlet's memory (Room, Add), packets of equal size to one address in a row become
// one message that the kernel cuts (UDP GSO, UDP_SEGMENT in udp(7)), and Flush hands all messages over in one
// sendmmsg(2) (send.go).
//
// # Concurrency and lifecycle
//
// The package has no goroutine. A Socket is safe for concurrent use. An Outlet belongs to one goroutine. Port.Close ends
// every read and write that is going on; what an Outlet sends after that is counted as failed.
//
// # Invariants
//
//   - Packets to one address leave in the order in which they were added.
//   - A packet that the kernel refuses is lost alone, and is counted.
//   - An Outlet allocates nothing after NewOutlet, and Flush never waits longer than maxWait, however full the way is.
//   - Where the kernel does not cut, the same packets leave one by one.
//
// # Dependencies
//
// golang.org/x/sys/unix; Linux only. Neither media nor Pion.
package egress
