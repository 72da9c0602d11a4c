// Package sockets reads the UDP sockets of a crowd of viewers at the least cost to whoever sends to them.
//
// # Overview
//
// On one machine the sender pays for much of what the receiver does: it wakes a thread that waits for a socket, and cuts
// frames into packets for sockets that want packets. A server would pay neither to viewers on other machines. So nothing
// waits here, not even in epoll: a Poller looks at all its sockets every two milliseconds, and takes frames as they were
// sent (UDP_GRO), to cut them itself.
//
// # Concurrency and lifecycle
//
// Run is one goroutine, which calls the sockets' functions. Sockets may be opened, written and closed by any other.
// Whoever calls Run ends it by its context, which closes what is left.
//
// # Dependencies
//
// golang.org/x/sys. Linux only.
package sockets
