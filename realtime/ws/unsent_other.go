//go:build !linux

package ws

import "syscall"

// unsent is never asked for here: nothing tells when a socket takes bytes.
func unsent(syscall.RawConn) int { return 0 }
