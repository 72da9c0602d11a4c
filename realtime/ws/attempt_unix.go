//go:build unix

package ws

import (
	"errors"
	"syscall"
)

// attempt is one write that does not wait. The runtime's sockets are
// non-blocking already; what waits is the runtime's Write, which RawConn lets
// us go around. The closure is made once, so that an attempt allocates nothing.
type attempt struct {
	raw syscall.RawConn
	run func(fd uintptr) bool

	p   []byte
	n   int
	err error
}

func (a *attempt) begin(raw syscall.RawConn) {
	a.raw = raw
	a.run = func(fd uintptr) bool {
		for {
			a.n, a.err = writeNow(int(fd), a.p)
			if !errors.Is(a.err, syscall.EINTR) {
				return true // never ask the runtime to wait and call again
			}
		}
	}
}

func (a *attempt) write(p []byte) (int, error) {
	a.p, a.n, a.err = p, 0, nil
	err := a.raw.Write(a.run)
	a.p = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(a.err, syscall.EAGAIN):
		return 0, nil
	case a.err != nil:
		return 0, a.err
	}
	return a.n, nil
}
