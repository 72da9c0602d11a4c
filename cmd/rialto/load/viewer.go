package load

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	maxDatagram = 2048
	// maxEarly is how many packets may come before the keys do: the server has its own one flight sooner.
	maxEarly = 256
	// sampled is of how many packets one is decrypted and checked.
	sampled = 100
)

// ErrEnded is a session that the server has closed.
var ErrEnded = errors.New("the server ended the session")

var errLeft = errors.New("left")

// Packet is one that was decrypted. It is the callee's during the call alone.
type Packet struct {
	Viewer  int           // its number in the crowd
	Since   time.Duration // its request
	Video   bool
	Payload []byte
	At      time.Time
	Early   bool // it came before the first picture was whole, in the burst of a join
}

// Viewer is one WHEP session without a player.
type Viewer struct {
	// static after join
	door     *door
	index    int
	wire     wire // nil when it could not be opened
	own      credentials
	answer   *answer
	resource *url.URL
	virtual  *virtual
	dtls     *dtls.Conn
	opened   time.Time
	onPacket func(Packet)
	watchful func(viewer int, since time.Duration) bool // nil: nobody is

	path  atomic.Pointer[netip.AddrPort]
	found chan netip.AddrPort
	// listening is set once the answer has been read.
	listening atomic.Bool

	ended chan struct{}
	// pictured is closed when the first picture is whole.
	pictured chan struct{}
	once     sync.Once
	group    sync.WaitGroup // reader, goodbye

	mu           sync.Mutex
	err          error
	in, out      *srtp.Context // nil until the keys are there; out is used by the reporter alone
	early        [][]byte
	audio, video track
	picture      picture
	firstPicture time.Duration
	codec        string
	broken       int64 // could not be decrypted
	checked      int64
	repairs      int64 // retransmission format
	header       rtp.Header
	plain        []byte
}

// join opens a session and returns when its keys are made. An error leaves nothing behind.
func (c *Crowd) join(ctx context.Context, index int) (*Viewer, error) {
	v := c.newViewer(index)
	if err := v.open(ctx, c); err != nil {
		v.close(err)
		return nil, err
	}
	return v, nil
}

func (c *Crowd) newViewer(index int) *Viewer {
	v := &Viewer{
		door: c.door, index: index, own: newCredentials(c.fingerprint), onPacket: c.config.OnPacket, watchful: c.config.Look,
		opened: time.Now(), found: make(chan netip.AddrPort, 1), ended: make(chan struct{}), pictured: make(chan struct{}),
		plain: make([]byte, 0, maxDatagram),
	}
	v.virtual = newVirtual(v)
	return v
}

func (v *Viewer) open(ctx context.Context, c *Crowd) error {
	if err := v.negotiate(ctx, c); err != nil {
		return err
	}
	if err := v.findPath(ctx); err != nil {
		return err
	}
	if err := v.secure(ctx, c.certificate); err != nil {
		return err
	}
	v.group.Go(v.awaitGoodbye)
	return nil
}

// negotiate opens the session and the way to it. Over UDP the server is told where we are; over TCP it is we who connect,
// once it has said where it is. From then on it listens.
func (v *Viewer) negotiate(ctx context.Context, c *Crowd) error {
	announced := netip.AddrPortFrom(c.local, discardPort)
	if !c.config.TCP {
		udp, err := c.poller.Open(v.take)
		if err != nil {
			return err
		}
		v.wire = udpWire{udp}
		announced = netip.AddrPortFrom(c.local, udp.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	}
	text, resource, err := v.door.post(ctx, c.target, writeOffer(v.own, announced, c.config.TCP))
	if err != nil {
		return err
	}
	v.resource = resource
	if v.answer, err = readAnswer(text, c.config.TCP, &v.audio, &v.video); err != nil {
		return err
	}
	if err := c.keepNear(v.answer); err != nil {
		return err
	}
	if c.config.TCP {
		tcp, err := openTCP(ctx, v.door, v.answer.candidates)
		if err != nil {
			return err
		}
		v.wire, v.answer.candidates = tcp, []netip.AddrPort{tcp.server}
		v.group.Go(func() { v.readStream(tcp) })
	}
	v.listening.Store(true)
	return nil
}

// readStream takes what comes over TCP until the connection is closed.
func (v *Viewer) readStream(tcp *tcpWire) {
	b := make([]byte, maxDatagram)
	for {
		n, from, err := tcp.read(b)
		if err != nil {
			v.end(err)
			return
		}
		v.take(b[:n], from)
	}
}

// take takes one packet. Until the answer is read nothing is expected.
func (v *Viewer) take(b []byte, from netip.AddrPort) {
	if len(b) < 2 || !v.listening.Load() {
		return
	}
	switch first := b[0]; {
	case first < 4:
		v.takeSTUN(b, from)
	case first >= 20 && first < 64:
		_, _ = v.virtual.Write(b) // a full buffer is a lost flight, which is sent again
	case first >= 128 && first < 192:
		v.takeMedia(b)
	}
}

// end stops the session here; the first cause stays.
func (v *Viewer) end(cause error) {
	v.once.Do(func() {
		v.because(cause)
		close(v.ended)
		if v.wire != nil {
			_ = v.wire.Close()
		}
		_ = v.virtual.Close()
	})
}

// because notes why the session ends, unless that is known, and returns the reason that stays.
func (v *Viewer) because(cause error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err == nil {
		v.err = cause
	}
	return v.err
}

func (v *Viewer) why() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// close deletes the session on the server, unless that has ended it, and waits for its goroutines.
func (v *Viewer) close(cause error) {
	// Noted before the server is told, whose goodbye may be quicker than its answer.
	if !errors.Is(v.because(cause), ErrEnded) && v.resource != nil {
		v.door.leave(v.resource)
	}
	v.end(cause)
	if v.dtls != nil {
		_ = v.dtls.Close() // its goodbye has nowhere to go any more
	}
	v.group.Wait()
}
