package frames

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookEvery is how long sockets are left alone between two looks.
	lookEvery = time.Millisecond
	// atOnce is how many upgrades are under way: far fewer than what a listening socket queues.
	atOnce = 256
	// stuckAfter ends Open when no upgrade has come to an end for so long.
	stuckAfter = 20 * time.Second
	// connectWithin bounds one TCP connect, which on loopback is immediate.
	connectWithin = 10

	readSize  = 256 << 10
	fromLook  = 1024 // sockets that one system call names
	sourceNet = 250  // addresses of a byte that are used
)

// Config says whom the clients of a Crowd speak to.
type Config struct {
	Addr netip.AddrPort
	Host string // of the request
	Path string // of the request, with its query
	// Hello is sent as a text message once the upgrade is through; empty: nothing is.
	Hello []byte
	// ReadBuffer is asked of the kernel for each socket, in bytes; 0 leaves what it gives.
	ReadBuffer int
	// Take is called with each data frame: whose it is, and when it was read on the clock of Now. The payload is the
	// callee's during the call alone.
	Take func(client int, payload []byte, at time.Duration)
}

// Stats is what has happened so far.
type Stats struct {
	Open    int            // upgraded, and not ended since
	Ended   int            // by the server, after their upgrade
	Failed  map[string]int // never upgraded, by cause
	Codes   map[int]int    // of closes, by code; 0 has none
	Frames  int64          // of data, whole messages or parts of some
	Bytes   int64          // all that came, upgrades included
	Reads   int64          // that brought something
	Pinged  int64          // pings that were answered
	Elapsed time.Duration  // that Open took, all calls together
}

type client struct {
	fd    int
	phase phase
	rest  []byte // what came of a frame whose end is missing
}

type phase uint8

const (
	upgrading phase = iota
	open
	ended
)

// Crowd is many clients.
type Crowd struct {
	config  Config
	salt    uint64
	epoll   int
	clients []client
	pending int // upgrades under way
	stats   Stats
	buffer  []byte
	ready   []unix.EpollEvent
}

// New makes an empty crowd.
func New(c Config) (*Crowd, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Crowd{config: c, salt: rand.Uint64(), epoll: fd, buffer: make([]byte, readSize), ready: make([]unix.EpollEvent, fromLook),
		stats: Stats{Failed: map[string]int{}, Codes: map[int]int{}}}, nil
}

var clockBase, clockStart = monotonic()

func monotonic() (time.Duration, time.Time) {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // there is no kernel without it
	return time.Duration(ts.Nano()), time.Now()
}

// Now is the clock that all processes of this machine share (CLOCK_MONOTONIC).
func Now() time.Duration { return clockBase + time.Since(clockStart) }

// Stats may be called between calls of the others.
func (c *Crowd) Stats() Stats {
	s := c.stats
	s.Failed, s.Codes = maps.Clone(s.Failed), maps.Clone(s.Codes)
	return s
}

// Open adds n clients and returns when each has been upgraded or has failed. What came to others meanwhile was taken.
func (c *Crowd) Open(ctx context.Context, n int) error {
	began := time.Now()
	defer func() { c.stats.Elapsed += time.Since(began) }()
	want, progress, last := len(c.clients)+n, time.Now(), -1
	for {
		for c.pending < atOnce && len(c.clients) < want && ctx.Err() == nil {
			if err := c.dial(); err != nil {
				return err
			}
		}
		looked := c.look()
		settled := len(c.clients) - c.pending
		if settled == want {
			return nil
		}
		if settled != last {
			last, progress = settled, time.Now()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(progress) > stuckAfter {
			return fmt.Errorf("%d of %d upgrades are not answered", c.pending, want)
		}
		if !looked {
			time.Sleep(lookEvery)
		}
	}
}

// Read takes what comes until done says so, which is asked after each look, or ctx ends.
func (c *Crowd) Read(ctx context.Context, done func() bool) error {
	for {
		began := time.Now()
		c.look()
		if done() {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(max(lookEvery-time.Since(began), lookEvery/4))
	}
}

// Say sends a text message for a client that is open; for one that has ended it does nothing. A socket that is full is an
// error: its server does not read.
func (c *Crowd) Say(index int, text []byte) error {
	v := &c.clients[index]
	if v.phase != open {
		return nil
	}
	b := masked(Text, text)
	if n, err := unix.Write(v.fd, b); err != nil || n < len(b) {
		return fmt.Errorf("client %d: %d of %d bytes were taken: %w", index, max(n, 0), len(b), errors.Join(err, io.ErrShortWrite))
	}
	return nil
}

// Close ends every client. The crowd is of no use afterwards.
func (c *Crowd) Close() {
	for i := range c.clients {
		if c.clients[i].phase != ended {
			c.clients[i].phase = ended
			_ = unix.Close(c.clients[i].fd)
		}
	}
	_ = unix.Close(c.epoll)
	c.clients = nil
}

// dial begins an upgrade. A connection that is refused is the client's failure; that no socket can be had is ours.
func (c *Crowd) dial() error {
	index := len(c.clients)
	family := unix.AF_INET
	if c.config.Addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket %d: %w", index+1, err)
	}
	c.clients = append(c.clients, client{fd: fd})
	c.pending++
	if err := c.connect(fd, index); err != nil {
		c.fail(index, fmt.Errorf("connect: %w", err))
	}
	return nil
}

func (c *Crowd) connect(fd, index int) error {
	if c.config.ReadBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, c.config.ReadBuffer); err != nil {
			return err
		}
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: connectWithin}); err != nil {
		return err
	}
	to := unix.Sockaddr(&unix.SockaddrInet6{Port: int(c.config.Addr.Port()), Addr: c.config.Addr.Addr().As16()})
	if at := c.config.Addr.Addr(); at.Is4() {
		to = &unix.SockaddrInet4{Port: int(c.config.Addr.Port()), Addr: at.As4()}
		if at.IsLoopback() {
			from := [4]byte{127, 1, byte(index / sourceNet % sourceNet), byte(index%sourceNet + 1)}
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: from}); err != nil {
				return err
			}
		}
	}
	if err := unix.Connect(fd, to); errors.Is(err, unix.EINTR) {
		if err := connected(fd); err != nil { // it goes on by itself, connect(2)
			return err
		}
	} else if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	if _, err := unix.Write(fd, c.request(index)); err != nil {
		return err
	}
	return unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd,
		&unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(index)})
}

// connected waits for the end of a connect that a signal has interrupted.
func connected(fd int) error {
	until := time.Now().Add(connectWithin * time.Second)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(max(time.Until(until).Milliseconds(), 0)))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return unix.ETIMEDOUT
		}
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		return err
	}
}

// look reads what has come to every socket, and says whether there was anything.
func (c *Crowd) look() (some bool) {
	for {
		n, err := unix.EpollWait(c.epoll, c.ready, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		for _, e := range c.ready[:max(n, 0)] {
			c.receive(int(e.Fd))
		}
		if n < len(c.ready) {
			return some || n > 0
		}
		some = true
	}
}

// receive reads a socket until it is empty, which a read says that does not fill the buffer.
func (c *Crowd) receive(index int) {
	for c.clients[index].phase != ended {
		n, err := unix.Read(c.clients[index].fd, c.buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err == nil && n == 0:
			err = io.EOF
		}
		if err != nil {
			c.fail(index, err)
			return
		}
		c.stats.Reads++
		c.stats.Bytes += int64(n)
		if err := c.parse(index, c.buffer[:n], Now()); err != nil {
			c.fail(index, err)
			return
		}
		if n < len(c.buffer) {
			return
		}
	}
}

// parse takes what a client was sent, apart from what came before it.
func (c *Crowd) parse(index int, b []byte, at time.Duration) error {
	v := &c.clients[index]
	whole := b
	if len(v.rest) > 0 {
		v.rest = append(v.rest, b...)
		whole = v.rest
	}
	used := 0
	if v.phase == upgrading {
		size, err := c.answer(index, whole)
		if err != nil {
			return err
		}
		if used = size; size > 0 {
			if err := c.enter(v); err != nil {
				return err
			}
		}
	}
	for v.phase == open {
		op, _, payload, size, err := frame(whole[used:])
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		used += size
		if err := c.take(index, op, payload, at); err != nil {
			return err
		}
	}
	switch left := whole[used:]; {
	case len(left) == 0:
		v.rest = nil
	default:
		v.rest = append(v.rest[:0:0], left...)
	}
	return nil
}

func (c *Crowd) enter(v *client) error {
	v.phase = open
	c.pending--
	c.stats.Open++
	if len(c.config.Hello) == 0 {
		return nil
	}
	_, err := unix.Write(v.fd, masked(Text, c.config.Hello))
	return err
}

// errClosed is the end of a client whom the server has told why.
var errClosed = errors.New("closed")

func (c *Crowd) take(index int, op byte, payload []byte, at time.Duration) error {
	switch op {
	case Text, Binary, More:
		c.stats.Frames++
		c.config.Take(index, payload, at)
	case Ping:
		c.stats.Pinged++
		_, _ = unix.Write(c.clients[index].fd, masked(Pong, payload)) // the next ping asks again
	case Close:
		code := 0
		if len(payload) >= 2 {
			code = int(payload[0])<<8 | int(payload[1])
		}
		c.stats.Codes[code]++
		return errClosed
	}
	return nil
}

func (c *Crowd) fail(index int, err error) {
	v := &c.clients[index]
	if v.phase == open {
		c.stats.Open--
		c.stats.Ended++
	} else {
		c.pending--
		c.stats.Failed[err.Error()]++
	}
	v.phase, v.rest = ended, nil
	_ = unix.Close(v.fd) // which takes it out of epoll too
}
