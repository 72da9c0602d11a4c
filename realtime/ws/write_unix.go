//go:build unix && !linux

package ws

import "syscall"

// writeNow is one write(2) of a socket that does not block.
func writeNow(fd int, p []byte) (int, error) {
	n, err := syscall.Write(fd, p)
	return max(n, 0), err
}
