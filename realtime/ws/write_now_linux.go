//go:build linux && !race

package ws

import (
	"syscall"
	"unsafe"
)

// writeNow is one write(2) of a socket that does not block. It goes past the
// runtime's bookkeeping of system calls: that is for calls which may wait, and
// its monitor takes a writer who makes nothing but short ones for one who does,
// again and again.
func writeNow(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
