package ws

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unsent asks for SIOCOUTQ, see tcp(7). A socket that has no answer is closed,
// or will be.
func unsent(raw syscall.RawConn) (n int) {
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return n
}
