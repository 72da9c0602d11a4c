package whip

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/media"
)

// Action is what a request wants of a stream.
type Action uint8

// The actions.
const (
	Publish Action = iota + 1
	Watch
)

func (a Action) String() string {
	if a == Publish {
		return "publish"
	}
	return "watch"
}

func (a Action) right() media.Rights {
	if a == Publish {
		return media.RightPublish
	}
	return media.RightWatch
}

// Request is what Authorize judges.
type Request struct {
	Stream     media.StreamID
	Action     Action
	Bearer     string // "" when watching without one; never "" when publishing
	Header     http.Header
	RemoteAddr netip.Addr
}

// What Authorize answers instead of a Grant. Any other error is a 500.
var (
	ErrUnauthorized  = errors.New("whip: key is not valid")     // 401 key_invalid
	ErrForbidden     = errors.New("whip: not allowed")          // 403 forbidden
	ErrUnknownStream = errors.New("whip: no such show")         // 404 show_unknown
	ErrEnded         = errors.New("whip: the show is over")     // 410 show_ended
	ErrUnavailable   = errors.New("whip: cannot be judged now") // 503 unavailable
)

// Session is one PeerConnection, publishing or watching.
type Session interface {
	// Trickle adds candidates from an RFC 8840 fragment.
	Trickle(fragment []byte) error
	// Restart restarts ICE and returns our fragment. An error leaves the
	// session as it was.
	Restart(fragment []byte) (answer []byte, err error)
	// Close ends it; calling it again does nothing.
	Close() error
	// Done is closed when it has ended for any reason.
	Done() <-chan struct{}
}

// Negotiate answers an offer. It returns one of media's errors, or a session
// and the SDP answer.
type Negotiate func(ctx context.Context, id media.StreamID, g media.Grant, offer []byte) (Session, []byte, error)

// ICEServer is a STUN or TURN server that clients are told of (Link, RFC 9725).
type ICEServer struct {
	URL        string // "turn:turn.example.net?transport=udp"
	Username   string
	Credential string
}

// Limits of the door. Zero fields take the defaults below.
type Limits struct {
	Sessions       int     // resources on this node
	PostsPerSecond float64 // per address
	PostBurst      int
	// Requests about a resource are cheaper and more frequent: each candidate
	// that trickles is one.
	PatchesPerSecond float64
	PatchBurst       int
	Addresses        int // addresses remembered at once
}

// Defaults of Limits.
const (
	DefaultSessions         = 25_000
	DefaultPostsPerSecond   = 10
	DefaultPostBurst        = 60
	DefaultPatchesPerSecond = 50
	DefaultPatchBurst       = 300
	DefaultAddresses        = 65_536
)

// Limits of bodies and names, and what clients are told to wait.
const (
	MaxOfferBytes    = 64 << 10 // a browser's offer with simulcast is 20 kB
	MaxFragmentBytes = 16 << 10
	MaxStreamName    = 64
	MaxBearerBytes   = 4 << 10

	notLiveRetry = 2 * time.Second
	fullRetry    = 5 * time.Second
	sweepEvery   = time.Second
)

// Config of a Handler.
type Config struct {
	// Node names this node in the URLs of its resources.
	Node string
	// Publish and Watch open sessions.
	Publish, Watch Negotiate
	// Authorize judges every POST twice, before and after its session was
	// opened, and a PATCH or DELETE that carries another token than the one its
	// session was opened with. It must read what is committed: a replica that
	// lags behind would let somebody banned slip through.
	Authorize func(context.Context, Request) (media.Grant, error)
	// Locate returns the base URL (scheme and host) of the node where a stream
	// is published; "" when it is here or nowhere. Nil: always "".
	Locate func(context.Context, media.StreamID) (originURL string, err error)
	// Claim makes this node the origin of a stream. Another base URL than ""
	// says where the origin is already. Nil: always "".
	Claim func(context.Context, media.StreamID) (originURL string, err error)
	// NodeURL returns the base URL of a node, for resources that are not
	// here. Nil: no other node is known.
	NodeURL func(node string) (string, bool)
	// AllowOrigin says which pages of other origins may use the door, with
	// their cookies. Nil: none.
	AllowOrigin func(origin string) bool
	// RemoteAddr finds the client's address. Nil: the peer of the connection.
	RemoteAddr func(*http.Request) netip.Addr
	ICEServers []ICEServer
	Limits     Limits
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Validate reports everything that is missing at once.
func (c Config) Validate() error {
	var errs []error
	if !nodeName.MatchString(c.Node) {
		errs = append(errs, errors.New("whip: Node must be 1 to 64 letters, digits, dots, dashes or underscores"))
	}
	if c.Publish == nil || c.Watch == nil {
		errs = append(errs, errors.New("whip: Publish and Watch must be set"))
	}
	if c.Authorize == nil {
		errs = append(errs, errors.New("whip: Authorize must be set"))
	}
	for _, s := range c.ICEServers {
		if s.URL == "" {
			errs = append(errs, errors.New("whip: an ICE server has no URL"))
		}
	}
	if l := c.Limits; l.Sessions < 0 || l.PostsPerSecond < 0 || l.PostBurst < 0 || l.PatchesPerSecond < 0 || l.PatchBurst < 0 || l.Addresses < 0 {
		errs = append(errs, errors.New("whip: a limit is negative"))
	}
	return errors.Join(errs...)
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Sessions, DefaultSessions)
	orDefault(&l.PostsPerSecond, DefaultPostsPerSecond)
	orDefault(&l.PostBurst, DefaultPostBurst)
	orDefault(&l.PatchesPerSecond, DefaultPatchesPerSecond)
	orDefault(&l.PatchBurst, DefaultPatchBurst)
	orDefault(&l.Addresses, DefaultAddresses)
	return l
}

func orDefault[T int | float64](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}
