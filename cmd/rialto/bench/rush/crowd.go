package rush

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// answerWithin is how long answers may be missing once nobody taps any more, and how long a line waits at its beginning.
	answerWithin = 10 * time.Second
	// lookEvery is how often the crowd looks at the clock when nothing comes.
	lookEvery = 50 * time.Millisecond
	// readBytes is what is read of a line at once; more than an answer has.
	readBytes = 64 << 10
	// maxAnswer bounds what a line may say before it has said something whole: the state of a room is the largest.
	maxAnswer = 1 << 20
)

// outcome is what a tap was told.
type outcome int

const (
	noOutcome outcome = iota // something else was said
	won
	lost
)

// wire is how taps are written and answers are read on one line. It does no input or output itself.
type wire interface {
	// greet speaks for a line until it may tap.
	greet(l *line) error
	// tap appends a tap with a new hold id.
	tap(out []byte) []byte
	// answer reads what comes first in the bytes: how many it takes, 0 when it is not all there, and what it means.
	answer(in []byte) (n int, what outcome, err error)
}

// line is one connection. Its reads and writes are system calls and nothing else: client and server share the machine.
type line struct {
	fd    int
	wire  wire
	rest  []byte // came, and was not whole
	began time.Time
}

// crowd taps over many lines, on each as soon as it was answered, from one thread.
type crowd struct {
	lines []*line
	epoll int
	in    [readBytes]byte
	out   []byte

	waiting   int // taps without an answer
	told      int // holds, in all
	won, lost int // in the window
	yours     []time.Duration
}

func newCrowd(ctx context.Context, m market, lines int, dial func(context.Context, market) (wire, error)) (c *crowd, err error) {
	c = &crowd{}
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	at, err := netip.ParseAddrPort(m.node.addr)
	if err != nil {
		return c, fmt.Errorf("where the node is: %w", err)
	}
	for range lines {
		w, err := dial(ctx, m)
		if err != nil {
			return c, err
		}
		l, err := connect(at, w)
		if l != nil {
			c.lines = append(c.lines, l)
		}
		if err == nil {
			err = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, l.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(c.lines) - 1)})
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return c, fmt.Errorf("line %d: %w", len(c.lines), err)
		}
	}
	return c, nil
}

// connect opens a line, and speaks for it until it may tap.
func connect(at netip.AddrPort, w wire) (*line, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	l := &line{fd: fd, wire: w}
	within := unix.NsecToTimeval(answerWithin.Nanoseconds())
	for _, set := range []func() error{
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &within) },
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &within) },
		func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) },
		func() error {
			return connectTo(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
		},
		func() error { return w.greet(l) },
		func() error { return unix.SetNonblock(fd, true) },
	} {
		if err := set(); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (c *crowd) close() {
	for _, l := range c.lines {
		_ = unix.Close(l.fd)
	}
	_ = unix.Close(c.epoll)
}

// connectTo goes on when a signal interrupts it: the runtime sends them to its threads all the time.
func connectTo(fd int, to unix.Sockaddr) error {
	for {
		switch err := unix.Connect(fd, to); {
		case errors.Is(err, unix.EISCONN):
			return nil
		case !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EALREADY):
			return err
		}
	}
}

// write sends all of b, which is little: the socket has room for it unless the other end has stopped.
func (l *line) write(b []byte) error {
	n, err := straight(unix.SYS_WRITE, l.fd, b)
	for errors.Is(err, unix.EINTR) {
		n, err = straight(unix.SYS_WRITE, l.fd, b)
	}
	if err == nil && n < len(b) {
		err = unix.EAGAIN
	}
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// straight is a read or a write that does not wait. It goes past the runtime's bookkeeping, which is for system calls that do.
func straight(call uintptr, fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// read takes what is there, of a line that is still being opened: it waits.
func (l *line) read() error {
	var b [4 << 10]byte
	n, err := unix.Read(l.fd, b[:])
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errEnded
	case len(l.rest)+n > maxAnswer:
		return errEndless
	}
	l.rest = append(l.rest, b[:n]...)
	return nil
}

var (
	errEnded   = errors.New("the node has closed a line")
	errEndless = errors.New("the node says something without an end")
)

// run has everybody tap until the window is over, and waits for the last answers.
func (c *crowd) run(ctx context.Context, from, until time.Time) error {
	for _, l := range c.lines {
		if err := c.tap(l); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, len(c.lines))
	for c.waiting > 0 {
		n, err := unix.EpollWait(c.epoll, events, int(lookEvery.Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		now := time.Now()
		if now.After(until.Add(answerWithin)) {
			return fmt.Errorf("%d taps were not answered within %s", c.waiting, answerWithin)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range events[:max(n, 0)] {
			if err := c.hear(c.lines[e.Fd], now, from, until); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *crowd) tap(l *line) error {
	c.out = l.wire.tap(c.out[:0])
	l.began = time.Now()
	c.waiting++
	return l.write(c.out)
}

// hear reads what a line says, and taps again when that was an answer.
func (c *crowd) hear(l *line, at, from, until time.Time) error {
	n, err := straight(unix.SYS_READ, l.fd, c.in[:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errEnded
	}
	came := c.in[:n]
	if len(l.rest) > 0 {
		l.rest = append(l.rest, came...)
		came = l.rest
	}
	for len(came) > 0 {
		n, what, err := l.wire.answer(came)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		came = came[n:]
		if what == noOutcome {
			continue
		}
		c.note(what, at.Sub(l.began), !at.Before(from) && at.Before(until))
		if at.Before(until) {
			if err := c.tap(l); err != nil {
				return err
			}
		}
	}
	if len(came) > maxAnswer {
		return errEndless
	}
	l.rest = append(l.rest[:0], came...)
	return nil
}

func (c *crowd) note(what outcome, took time.Duration, counts bool) {
	c.waiting--
	if what == won {
		c.told++
	}
	switch {
	case !counts:
	case what == won:
		c.won++
		c.yours = append(c.yours, took)
	default:
		c.lost++
	}
}
