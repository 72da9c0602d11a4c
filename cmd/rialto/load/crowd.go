package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/load/sockets"
)

// MaxViewers is how many one process opens at most: a socket and a few buffers each.
const MaxViewers = 10_000

const (
	defaultAtOnce = 16
	leaveAtOnce   = 64

	// maxRate bounds Config.Rate: above it one process could not keep its own time.
	maxRate = 1000
)

// Config of a Crowd.
type Config struct {
	URL     string // the WHEP endpoint of a stream
	Token   string // Bearer token; "" sends none
	Viewers int    // 1 to MaxViewers
	AtOnce  int    // how many join at the same time; 0: 16, or as many as Rate needs
	Rate    int    // how many begin to join per second, evenly; 0: as many as AtOnce allows
	// Retry has viewers that are told 503 come back when they were told to, as the pages do.
	Retry bool
	TCP   bool // watch over TCP alone, as behind a network that lets no UDP through
	// Anywhere allows a server that is not on this machine.
	Anywhere bool
	// OnPacket sees the packets that are decrypted: all until a viewer's first picture, then one of a hundred. It is
	// called by the readers, many at once, and must not block.
	OnPacket func(Packet)
	// Look names packets that are decrypted besides: those of a viewer by its number, so long after its request. It is
	// called for each packet, by the readers, many at once.
	Look func(viewer int, since time.Duration) bool
}

// Validate says everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.Viewers < 1 || c.Viewers > MaxViewers {
		errs = append(errs, fmt.Errorf("--viewers is 1 to %d, not %d", MaxViewers, c.Viewers))
	}
	if c.AtOnce < 0 {
		errs = append(errs, fmt.Errorf("--at-once must not be negative"))
	}
	if c.Rate < 0 || c.Rate > maxRate {
		errs = append(errs, fmt.Errorf("--rate is 0 to %d, not %d", maxRate, c.Rate))
	}
	return errors.Join(append(errs, target(c.URL, "the address of a show, such as http://127.0.0.1:8080/whep/shw_1", c.Anywhere, "http", "https"))...)
}

// Crowd is many viewers of one stream.
type Crowd struct {
	// static after New
	config      Config
	door        *door
	target      *url.URL
	local       netip.Addr // announced to the server
	certificate tls.Certificate
	fingerprint string
	poller      *sockets.Poller
	stop        context.CancelFunc // of the reporter
	hangUp      context.CancelFunc // of the poller
	reporter    sync.WaitGroup
	polling     sync.WaitGroup

	answered atomic.Int64
	waited   atomic.Int64 // told 503, and came back

	mu      sync.Mutex
	viewers []*Viewer
	refused map[int]int    // by HTTP status
	failed  map[string]int // by cause
}

// New prepares a crowd; nobody has joined.
func New(c Config) (*Crowd, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	target, err := url.Parse(c.URL)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	if c.AtOnce == 0 && c.Rate == 0 {
		c.AtOnce = defaultAtOnce
	}
	crowd := &Crowd{config: c, door: newDoor(c.Token, c.Anywhere), target: target, refused: map[int]int{}, failed: map[string]int{}}
	if crowd.certificate, err = newCertificate(); err != nil {
		return nil, err
	}
	crowd.fingerprint = fingerprint(crowd.certificate.Certificate[0])
	if crowd.local, err = localAddress(target); err != nil {
		return nil, err
	}
	crowd.poller = sockets.New()
	reporting, stop := context.WithCancel(context.Background())
	reading, hangUp := context.WithCancel(context.Background())
	crowd.stop, crowd.hangUp = stop, hangUp
	crowd.reporter.Go(func() { crowd.report(reporting) })
	crowd.polling.Go(func() { crowd.poller.Run(reading) })
	return crowd, nil
}

// localAddress is what the server would see of us. Nothing is sent.
func localAddress(target *url.URL) (netip.Addr, error) {
	conn, err := net.Dial("udp4", net.JoinHostPort(target.Hostname(), "9"))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("--url: %w", err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr(), nil
}

// keepNear leaves out candidates beyond this machine, unless they are meant.
func (c *Crowd) keepNear(a *answer) error {
	if c.config.Anywhere {
		return nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("addresses of this machine: %w", err)
	}
	a.candidates = slices.DeleteFunc(a.candidates, func(to netip.AddrPort) bool {
		return !to.Addr().IsLoopback() && !slices.ContainsFunc(own, func(at net.Addr) bool {
			prefix, ok := at.(*net.IPNet)
			return ok && prefix.IP.Equal(to.Addr().AsSlice())
		})
	})
	if len(a.candidates) == 0 {
		return fmt.Errorf("the server names no media address on this machine: what it names %w", errAway)
	}
	return nil
}

// Join opens the viewers and returns when each has joined or was refused. Its error is that ctx ended.
func (c *Crowd) Join(ctx context.Context) error {
	var g errgroup.Group
	if c.config.AtOnce > 0 {
		g.SetLimit(c.config.AtOnce)
	}
	began := time.Now()
	for i := range c.config.Viewers {
		if c.config.Rate > 0 && Rest(ctx, time.Until(began.Add(time.Duration(i)*time.Second/time.Duration(c.config.Rate)))) != nil {
			break
		}
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			v, err := c.come(ctx, i)
			if ctx.Err() == nil {
				c.answered.Add(1)
			}
			c.note(v, err)
			return nil
		})
	}
	_ = g.Wait()
	return ctx.Err()
}

// come joins, and comes back when it is told to and that is wanted.
func (c *Crowd) come(ctx context.Context, index int) (v *Viewer, err error) {
	err = c.patiently(ctx, func() error {
		v, err = c.join(ctx, index)
		return err
	})
	return v, err
}

func (c *Crowd) note(v *Viewer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var refused *Refused
	switch {
	case err == nil:
		c.viewers = append(c.viewers, v)
	case errors.As(err, &refused):
		c.refused[refused.Status]++
	case errors.Is(err, context.Canceled):
	default:
		c.failed[Cause(err)]++
	}
}

// Cause is a failure in the words that it shares with its like: without ports and addresses.
func Cause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// report speaks for all viewers, a tenth of them at a time.
func (c *Crowd) report(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var viewers []*Viewer
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		viewers = append(viewers[:0], c.viewers...)
		c.mu.Unlock()
		for _, v := range viewers {
			v.attend(n)
		}
	}
}

// Close ends every session, also on the server, and waits.
func (c *Crowd) Close() {
	c.stop()
	c.reporter.Wait()
	c.mu.Lock()
	viewers := c.viewers
	c.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(leaveAtOnce)
	for _, v := range viewers {
		g.Go(func() error {
			v.close(errLeft)
			return nil
		})
	}
	_ = g.Wait()
	c.hangUp()
	c.polling.Wait()
}
