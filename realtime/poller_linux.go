package realtime

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// epollBatch is how many sockets are learned of at once.
const epollBatch = 128

const epollOneShot = 1 << 30 // EPOLLONESHOT, which package syscall has with another type

// epoll is the readiness of Linux. It is a file whose own readiness the runtime
// watches, so that waiting for it takes no thread.
type epoll struct {
	file   *os.File
	raw    syscall.RawConn
	asks   uint32
	events [epollBatch]syscall.EpollEvent // owned by wait
}

func newReadiness(of what) (readiness, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	asks := uint32(syscall.EPOLLOUT)
	if of == hasBytes {
		asks = syscall.EPOLLIN | syscall.EPOLLRDHUP
	}
	return &epoll{file: file, raw: raw, asks: asks | epollOneShot}, nil
}

// watch holds both descriptors while it asks, so that neither can be closed and
// become another's meanwhile. Closing a socket takes it off the list. Whoever
// speaks is asked about again after each word, and is in the list by then.
func (e *epoll) watch(raw syscall.RawConn, id uint64) bool {
	event := syscall.EpollEvent{Events: e.asks, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	asked := errors.New("not asked")
	err := e.raw.Control(func(list uintptr) {
		err := raw.Control(func(fd uintptr) {
			asked = syscall.EpollCtl(int(list), syscall.EPOLL_CTL_MOD, int(fd), &event)
			if errors.Is(asked, syscall.ENOENT) {
				asked = syscall.EpollCtl(int(list), syscall.EPOLL_CTL_ADD, int(fd), &event)
			}
		})
		if err != nil {
			asked = err
		}
	})
	return err == nil && asked == nil
}

func (e *epoll) wait(ready func(id uint64)) {
	for {
		n := 0
		if err := e.raw.Read(func(fd uintptr) bool {
			var err error
			n, err = syscall.EpollWait(int(fd), e.events[:], 0)
			return n > 0 || err != nil && !errors.Is(err, syscall.EINTR)
		}); err != nil {
			return
		}
		for _, event := range e.events[:max(n, 0)] {
			ready(uint64(uint32(event.Fd)) | uint64(uint32(event.Pad))<<32)
		}
	}
}

func (e *epoll) close() { _ = e.file.Close() }
