package ws

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rialto-live/rialto/realtime"
)

// EventsPath is where event streams are opened, and below it is where what a
// page says over one of them goes: EventsPath + "/" + the line's id.
const EventsPath = "/events"

const (
	// idBytes of a line's id are drawn at random: 128 bits, which nobody guesses.
	idBytes = 16
	// checksPerSec and checkBurst bound how often it is looked up who somebody
	// is that comes to a line with other cookies than it was opened with.
	checksPerSec = 1
	checkBurst   = 5
	// maxWaiting is how many calls of a page may be here at once.
	maxWaiting = MessageBurst
	// postTimeout is how long a page may take to say one message.
	postTimeout = 5 * time.Second
	// deadAfter is how long the other side of a stream may confirm nothing of
	// what it was sent; something is sent twice a minute at least.
	deadAfter = time.Minute
)

// A stream is a page's line where WebSockets are blocked: an answer that does
// not end (text/event-stream), and requests that bring what the page says.
type stream struct {
	page
	id     string
	budget *rate.Limiter // messages
	bytes  *rate.Limiter
	checks *rate.Limiter
	turn   chan struct{} // holds the call that is under way
	// waiting counts the calls that are, and those that wait for their turn.
	waiting atomic.Int32

	mu    sync.Mutex
	proof proof // of whoever opened it
}

// proof is what a request says of who sent it, in a form that can be kept.
type proof [sha256.Size]byte

func proofOf(header http.Header) proof {
	told := strings.Join(header.Values("Cookie"), "\x00") + "\x00\x00" + strings.Join(header.Values("Authorization"), "\x00")
	return sha256.Sum256([]byte(told))
}

// streams are the lines that are open on this node, by their ids.
type streams struct {
	mu   sync.Mutex
	open map[string]*stream
}

func (l *streams) add(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[s.id] = s
}

func (l *streams) remove(s *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, s.id)
}

// find returns the line, if its page is in its room.
func (l *streams) find(id string) *stream {
	l.mu.Lock()
	s := l.open[id]
	l.mu.Unlock()
	if s == nil || !s.remote.Open() {
		return nil
	}
	return s
}

// ServeEvents is the HTTP end of the hub where WebSockets are blocked, for GET
// EventsPath and for POST of what lies below it.
func (h *Handler) ServeEvents(w http.ResponseWriter, r *http.Request) {
	id, says := strings.CutPrefix(r.URL.Path, EventsPath+"/")
	method, serve := http.MethodGet, h.openStream
	if says {
		method, serve = http.MethodPost, func(w http.ResponseWriter, r *http.Request) { h.hear(w, r, id) }
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		problem(w, http.StatusMethodNotAllowed, "method_not_allowed", "Only "+method+" is answered here.")
		return
	}
	if h.ours(w, r) {
		serve(w, r)
	}
}

func (h *Handler) openStream(w http.ResponseWriter, r *http.Request) {
	join, err := joinOf(r)
	if err != nil {
		problem(w, http.StatusBadRequest, "query_invalid", "o is a number: the place to go on from.")
		return
	}
	addr := h.cfg.RemoteAddr(r)
	ticket, _ := h.enter(w, r, addr)
	if ticket == nil {
		return
	}
	id := make([]byte, idBytes)
	_, _ = rand.Read(id) // which never fails
	s := &stream{
		page: page{handler: h, hello: &Hello{Header: r.Header, RemoteAddr: addr}}, id: hex.EncodeToString(id), proof: proofOf(r.Header), turn: make(chan struct{}, 1),
		budget: rate.NewLimiter(MessagesPerSec, MessageBurst), bytes: rate.NewLimiter(BytesPerSec, BytesBurst),
		checks: rate.NewLimiter(checksPerSec, checkBurst),
	}
	if r.ProtoMajor == 1 {
		s.takeOver(w, ticket, join)
	} else {
		s.answerOn(w, r, ticket, join)
	}
}

// joinOf is the first message of a page that has it in its request.
func joinOf(r *http.Request) (message, error) {
	q := r.URL.Query()
	m := message{Type: "join", Room: realtime.RoomID(q.Get("room")), Epoch: q.Get("epoch"), Token: tokenOf(r.Header)}
	var err error
	if o := q.Get("o"); o != "" {
		m.Offset, err = strconv.ParseInt(o, 10, 64)
	}
	return m, err
}

// tokenOf is the room ticket of a request, if it has one. RFC 6750 section 2.1.
func tokenOf(header http.Header) string {
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// run is the stream's reader: it lets the page in and returns when wait does,
// which says that the page has gone or has been given up.
func (s *stream) run(join message, wait func()) {
	defer s.remote.Detach()
	s.handler.streams.add(s)
	defer s.handler.streams.remove(s)
	if err := s.join(join); err != nil {
		refused := s.verdict(err)
		s.remote.Close(refused.Code, refused.Reason)
	}
	wait()
}

// mine says whether a request comes from whoever opened the stream: the same
// cookies say so, and if they are others, who it is that they mean.
func (s *stream) mine(r *http.Request) (status int, code, detail string) {
	p := proofOf(r.Header)
	s.mu.Lock()
	same := p == s.proof
	s.mu.Unlock()
	if same {
		return 0, "", ""
	}
	if !s.checks.AllowN(s.handler.cfg.Now(), 1) {
		return http.StatusTooManyRequests, "too_often", "Too many came to this line who have not opened it."
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.handler.cfg.JoinTimeout)
	defer cancel()
	token := tokenOf(r.Header)
	if len(token) > maxToken {
		return http.StatusForbidden, "line_refused", "The token is too long."
	}
	caller := s.remote.Caller()
	who, err := s.handler.cfg.Authenticate(ctx, Hello{Room: caller.Room, Token: token, Header: r.Header, RemoteAddr: s.handler.cfg.RemoteAddr(r)})
	var refused *realtime.CloseError
	switch {
	case err != nil && !errors.As(err, &refused):
		s.verdict(err) // which logs it
		return http.StatusServiceUnavailable, "unavailable", "This cannot be done just now. Try again."
	case err != nil, who.Subject != caller.Subject, who.Session != caller.Session:
		return http.StatusForbidden, "line_refused", "This line was opened by somebody else. Open another."
	}
	s.mu.Lock()
	s.proof = p
	s.mu.Unlock()
	return 0, "", ""
}
