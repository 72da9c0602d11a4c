package ws

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/rialto-live/rialto/realtime"
)

// Limits of what a page may send. protocol.md repeats them.
const (
	MaxMessage      = 4 << 10 // bytes of one message
	MessagesPerSec  = 5
	MessageBurst    = 20
	maxToken        = 2 << 10
	readBuffer      = 1 // bytes, which gorilla makes as few as it can: it reads nothing for us
	upgradeTimeout  = 5 * time.Second
	retryAfterFull  = "10"
	retryAfterDrain = "1"
)

// JoinTimeout is how long a page has for its first message and for being let
// in. It is a variable of Config for tests.
const JoinTimeout = 10 * time.Second

// CallTimeout is how long a page's call may take. It is a variable of Config
// for tests.
const CallTimeout = 5 * time.Second

// Identity is who a viewer is.
type Identity = realtime.Identity

// Caller is who calls; CallError refuses a call.
type (
	Caller    = realtime.Caller
	CallError = realtime.CallError
)

// Hello is what there is to know about somebody who asks to come in.
type Hello struct {
	Room       realtime.RoomID
	Token      string      // from the join message; may be empty
	Header     http.Header // of the upgrade request, with its cookies
	RemoteAddr netip.Addr
}

// Errors for Authenticate to return. Any other error closes the socket with
// "unavailable", which says come again.
var (
	ErrUnknownRoom = &realtime.CloseError{Code: realtime.CodeUnknownRoom, Reason: "there is no such show"}
	ErrForbidden   = &realtime.CloseError{Code: realtime.CodeForbidden, Reason: "you have been removed from this show"}
	ErrSignedOut   = &realtime.CloseError{Code: realtime.CodeSignedOut, Reason: "you are signed out"}
	ErrRoomClosed  = &realtime.CloseError{Code: realtime.CodeRoomClosed, Reason: "the show is closed"}
)

// Config is what a Handler is made of.
type Config struct {
	Hub          *realtime.Hub
	Authenticate func(ctx context.Context, hello Hello) (Identity, error)
	// Call does what a page asks for; nil knows no call. name and data come from
	// the page and were not looked at. What it returns is given to the page as
	// JSON, a json.RawMessage as it is, nil as {}; an error that is a *CallError is told, any other is
	// logged and told as "unavailable". It must end when ctx does.
	Call func(ctx context.Context, from Caller, name string, data json.RawMessage) (any, error)
	// AllowOrigin judges the Origin header of browsers. Requests without one
	// do not come from a page and pass.
	AllowOrigin func(origin string) bool
	// RemoteAddr finds the viewer's address; nil takes the socket's, which is
	// wrong behind a proxy.
	RemoteAddr  func(*http.Request) netip.Addr
	Log         *slog.Logger
	JoinTimeout time.Duration // default JoinTimeout
	CallTimeout time.Duration // default CallTimeout
	// Crowded lets pages say as much as they like: for a bench, each of whose sockets
	// stands for many people. Never where others can come.
	Crowded bool
	Now     func() time.Time
	Metrics prometheus.Registerer
}

// Handler is the HTTP end of the hub: ServeHTTP for GET /ws, ServeEvents for
// where WebSockets are blocked.
type Handler struct {
	cfg      Config
	line     *admission
	upgrader websocket.Upgrader
	trouble  rate.Sometimes // thousands of viewers meet the same error at once
	streams  streams
	calls    callTime
}

// New makes the handler. It serves while the hub runs.
func New(cfg Config) (*Handler, error) {
	if cfg.Hub == nil || cfg.Authenticate == nil || cfg.AllowOrigin == nil {
		return nil, errors.New("ws: Hub, Authenticate and AllowOrigin are needed")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.RemoteAddr == nil {
		cfg.RemoteAddr = socketAddr
	}
	if cfg.JoinTimeout == 0 {
		cfg.JoinTimeout = JoinTimeout
	}
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = CallTimeout
	}
	if cfg.Call == nil {
		cfg.Call = noCalls
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{cfg: cfg, line: newAdmission(cfg.Now, cfg.Metrics), trouble: rate.Sometimes{Interval: time.Second}, streams: streams{open: map[string]*stream{}}}
	h.upgrader = websocket.Upgrader{
		HandshakeTimeout: upgradeTimeout,
		ReadBufferSize:   readBuffer,
		WriteBufferPool:  &sync.Pool{},
		// Only for what settle leaves of a page's offers.
		EnableCompression: true,
		CheckOrigin:       func(*http.Request) bool { return true }, // ours comes first, with a better answer
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			problem(w, status, "upgrade_invalid", reason.Error())
		},
	}
	return h, nil
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.ours(w, r) {
		return
	}
	if !asksForSocket(r) { // before it costs anybody a place
		w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455 section 4.4
		problem(w, http.StatusBadRequest, "upgrade_invalid", "This address takes WebSocket upgrades of version 13 (RFC 6455).")
		return
	}
	addr := h.cfg.RemoteAddr(r)
	ticket, waits := h.enter(w, r, addr)
	if ticket == nil {
		return
	}
	as := settle(r.Header)
	conn, err := h.upgrader.Upgrade(hijacker{w}, r, nil)
	if err != nil {
		ticket.Release() // Upgrade has answered
		return
	}
	line := conn.NetConn() // all that we need of conn from here on
	v := &viewer{line: line, deflated: as == realtime.Deflated,
		page: page{handler: h, hello: &Hello{Header: r.Header, RemoteAddr: addr}, remote: ticket.Attach(newSocket(line), as)}}
	waits.upgraded(func() { v.remote.Close(realtime.CodeJoinTimeout, "no join came in time") })
	if !h.cfg.Hub.Go(func() { v.read(waits) }) {
		v.remote.Detach()
	}
}

// asksForSocket says whether the upgrade can succeed, as far as the request
// goes.
func asksForSocket(r *http.Request) bool {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && websocket.IsWebSocketUpgrade(r) &&
		r.Header.Get("Sec-WebSocket-Version") == "13" && err == nil && len(key) == 16
}

// enter reserves a place on the node, and one among those who are coming in,
// which the page holds until it has joined or is gone. Without a ticket it has
// answered.
func (h *Handler) enter(w http.ResponseWriter, r *http.Request, addr netip.Addr) (*realtime.Ticket, *place) {
	ticket, err := h.cfg.Hub.Reserve(addr)
	switch {
	case errors.Is(err, realtime.ErrFull):
		w.Header().Set("Retry-After", retryAfterFull)
		problem(w, http.StatusServiceUnavailable, "full", "Too many viewers are connected here. Try again in some seconds.")
		return nil, nil
	case err != nil:
		w.Header().Set("Retry-After", retryAfterDrain)
		problem(w, http.StatusServiceUnavailable, "draining", "This server is about to stop. Connect again.")
		return nil, nil
	}
	waits, retry := h.line.enter(r.Context(), addr)
	if waits == nil {
		ticket.Release()
		w.Header().Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
		problem(w, http.StatusServiceUnavailable, "joining", "Very many viewers are coming in just now. Try again in some seconds.")
		return nil, nil
	}
	ticket.Until(waits.leave)
	return ticket, waits
}

// ours says whether a request comes from a page of ours, or from no page.
// Requests that only read carry no origin; browsers say of those whether the
// page was another's.
func (h *Handler) ours(w http.ResponseWriter, r *http.Request) bool {
	origin, site := r.Header.Get("Origin"), r.Header.Get("Sec-Fetch-Site")
	if origin == "" && site != "cross-site" && site != "same-site" || origin != "" && h.cfg.AllowOrigin(origin) {
		return true
	}
	problem(w, http.StatusForbidden, "origin_refused", "Pages of this origin may not connect. Open the show on its own site.")
	return false
}

// noCalls is a Config.Call that knows none.
func noCalls(_ context.Context, _ Caller, name string, _ json.RawMessage) (any, error) {
	return nil, realtime.UnknownCall(name)
}

// hijacker gives gorilla the connection under whatever is around the response.
type hijacker struct{ http.ResponseWriter }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

func socketAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket: uncounted
	}
	return ap.Addr().Unmap()
}

func problem(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
	}{"about:blank", http.StatusText(status), status, detail, code})
}
