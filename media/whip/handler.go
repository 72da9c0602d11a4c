package whip

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/media"
)

const (
	typeSDP      = "application/sdp"
	typeFragment = "application/trickle-ice-sdpfrag"

	endpointMethods = "OPTIONS, POST"
	resourceMethods = "DELETE, OPTIONS, PATCH"

	// closeAtOnce is how many sessions a stopping node ends at a time.
	closeAtOnce = 32
)

// Handler serves /whip/ and /whep/. It is safe for concurrent use.
type Handler struct {
	config  Config
	log     *slog.Logger
	table   *table
	posts   *limiter
	patches *limiter
	metrics *metrics
}

// New makes a Handler. It serves at once; see Run.
func New(c Config) (*Handler, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	h := &Handler{
		config:  c,
		log:     c.Log,
		table:   newTable(c.Limits.Sessions),
		posts:   newLimiter(c.Limits.PostsPerSecond, c.Limits.PostBurst, c.Limits.Addresses, c.Now),
		patches: newLimiter(c.Limits.PatchesPerSecond, c.Limits.PatchBurst, c.Limits.Addresses, c.Now),
	}
	var err error
	h.metrics, err = newMetrics(c.Registerer, h.table)
	return h, err
}

// Run keeps the table tidy until ctx ends. Then it refuses new sessions, ends
// those that are left and returns nil when they are closed.
func (h *Handler) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			h.table.sweep()
			h.posts.sweep()
			h.patches.sweep()
		case <-ctx.Done():
			h.Close()
			return nil
		}
	}
}

// Close refuses new sessions from now on and ends all others. It may be called twice.
func (h *Handler) Close() {
	var closing errgroup.Group
	closing.SetLimit(closeAtOnce)
	for _, e := range h.table.drain() {
		closing.Go(func() error {
			h.closeSession(e.session)
			return nil
		})
	}
	_ = closing.Wait()
}

// Publisher returns the Grant of the newest live publish of a stream on this
// node, so that a stand-in knows whether its place is taken.
func (h *Handler) Publisher(id media.StreamID) (media.Grant, bool) { return h.table.publisher(id) }

func (h *Handler) closeSession(s Session) {
	if err := s.Close(); err != nil {
		h.log.Warn("closing a media session", "error", err)
	}
}

var streamName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// ServeHTTP answers everything below /whip/ and /whep/.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, rest := route(r.URL.Path)
	h.cors(w, r)
	watched := &statusWriter{ResponseWriter: w}
	var err error
	switch {
	case action == 0:
		err = newProblem(http.StatusNotFound, "not_found", "Nothing is here. Publish at /whip/{show}, watch at /whep/{show}.")
	case len(rest) == 1:
		err = h.endpoint(watched, r, action, rest[0])
	default:
		err = h.resource(watched, r, action, rest[1], rest[2])
	}
	if err != nil {
		h.refuse(watched, r, err)
	}
	h.metrics.answered(action, watched.status)
}

// route splits a path into what is wanted and the names in it: a stream, or
// "r", a node and a resource. The zero Action is a path that is not ours.
func route(path string) (Action, []string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	action := map[string]Action{"whip": Publish, "whep": Watch}[parts[0]]
	rest := parts[1:]
	if len(rest) == 1 && rest[0] != "" || len(rest) == 3 && rest[0] == "r" {
		return action, rest
	}
	return 0, nil
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := asProblem(err)
	if p.cause != nil {
		h.log.Error("whip request failed", "method", r.Method, "path", r.URL.Path, "error", p.cause)
	}
	p.write(w)
}

func (h *Handler) endpoint(w http.ResponseWriter, r *http.Request, action Action, stream string) error {
	switch r.Method {
	case http.MethodOptions:
		h.options(w, endpointMethods, "Accept-Post", typeSDP)
		return nil
	case http.MethodPost:
		return h.post(w, r, action, stream)
	default:
		return methodNotAllowed(endpointMethods)
	}
}

func (h *Handler) post(w http.ResponseWriter, r *http.Request, action Action, stream string) error {
	addr := h.remoteAddr(r)
	if err := admit(h.posts, addr); err != nil {
		return err
	}
	if len(stream) > MaxStreamName || !streamName.MatchString(stream) {
		return showUnknown()
	}
	request := Request{Stream: media.StreamID(stream), Action: action, Bearer: bearer(r.Header), Header: r.Header, RemoteAddr: addr}
	grant, err := h.authorize(r.Context(), request)
	if err != nil {
		return err
	}
	offer, err := readBody(w, r, typeSDP, "Accept-Post", MaxOfferBytes)
	if err != nil {
		return err
	}
	if elsewhere, err := h.origin(r.Context(), request); err != nil || elsewhere != "" {
		return errors.Join(err, redirect(w, r, elsewhere))
	}
	return h.open(w, r, request, grant, offer)
}

func (h *Handler) authorize(ctx context.Context, request Request) (media.Grant, error) {
	if request.Bearer == "" && request.Action == Publish {
		return media.Grant{}, keyMissing()
	}
	if len(request.Bearer) > MaxBearerBytes {
		return media.Grant{}, keyInvalid()
	}
	grant, err := h.config.Authorize(ctx, request)
	if err != nil {
		return media.Grant{}, err
	}
	if grant.Rights&request.Action.right() == 0 {
		return media.Grant{}, forbidden()
	}
	if !grant.Expires.IsZero() && !h.config.Now().Before(grant.Expires) {
		return media.Grant{}, keyInvalid()
	}
	return grant, nil
}

// stillGranted judges a second time, once the session can be found by a
// revocation and before the client is told how to reach it. A ban that the
// first judgement came too early for may have reached this node when there was
// no session to end; then the second one sees it. One that the second comes
// too early for is carried out later, and finds the session.
func (h *Handler) stillGranted(ctx context.Context, request Request, first media.Grant) error {
	second, err := h.authorize(ctx, request)
	if err != nil {
		return err
	}
	if second.Subject != first.Subject || second.Session != first.Session || second.KeyGeneration != first.KeyGeneration {
		return later(http.StatusServiceUnavailable, "unavailable", "You signed in or out just now. Ask again.", time.Second)
	}
	return nil
}

// origin says on which other node a stream lives.
func (h *Handler) origin(ctx context.Context, request Request) (string, error) {
	find := h.config.Locate
	if request.Action == Publish {
		find = h.config.Claim
	}
	if find == nil {
		return "", nil
	}
	return find(ctx, request.Stream)
}

// open negotiates, and gives the session a resource.
func (h *Handler) open(w http.ResponseWriter, r *http.Request, request Request, grant media.Grant, offer []byte) error {
	if err := h.table.reserve(); err != nil {
		return err
	}
	negotiate := h.config.Watch
	if request.Action == Publish {
		negotiate = h.config.Publish
	}
	session, answer, err := negotiate(r.Context(), request.Stream, grant, offer)
	if err != nil {
		h.table.release()
		if r.Context().Err() != nil { // the client left, waiting in line perhaps: no fault, and nobody to tell
			return draining()
		}
		return err
	}
	e := newEntry(request, grant, session, iceUfrag(offer))
	if err := h.stillGranted(r.Context(), request, grant); err != nil {
		h.table.release()
		h.closeSession(session)
		return err
	}
	if r.Context().Err() != nil { // nobody is left to learn where the session is
		h.table.release()
		h.closeSession(session)
		return draining()
	}
	if err := h.table.add(e); err != nil {
		h.closeSession(session)
		return err
	}
	h.log.Debug("media session opened", "action", request.Action, "stream", request.Stream, "subject", grant.Subject)
	header := w.Header()
	for _, s := range h.config.ICEServers {
		header.Add("Link", s.link())
	}
	header.Set("Location", "/"+protocol(request.Action)+"/r/"+h.config.Node+"/"+e.id)
	header.Set("ETag", e.currentETag())
	header.Set("Content-Type", typeSDP)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(answer) // a client that is gone here leaves a session that ICE ends
	return nil
}

func protocol(a Action) string {
	if a == Publish {
		return "whip"
	}
	return "whep"
}

func (s ICEServer) link() string {
	text := "<" + s.URL + `>; rel="ice-server"`
	if s.Username != "" {
		text += `; username=` + quote(s.Username) + `; credential=` + quote(s.Credential) + `; credential-type="password"`
	}
	return text
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// redirect sends the same request to another node.
func redirect(w http.ResponseWriter, r *http.Request, base string) error {
	if base == "" {
		return nil
	}
	at, err := url.Parse(base)
	if err != nil || at.Scheme == "" || at.Host == "" {
		return internal(errors.New("whip: not the base URL of a node: " + base))
	}
	w.Header().Set("Location", at.Scheme+"://"+at.Host+r.URL.RequestURI())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}

// bearer returns the token of the Authorization header, "" when there is none.
func bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func readBody(w http.ResponseWriter, r *http.Request, want, header string, limit int) ([]byte, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		return nil, mediaType(want, header)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, tooLarge(limit)
	}
	if err != nil {
		return nil, newProblem(http.StatusBadRequest, "body_incomplete", "The body did not arrive completely.")
	}
	return body, nil
}

func admit(l *limiter, addr netip.Addr) error {
	if wait := l.take(addr); wait > 0 {
		return later(http.StatusTooManyRequests, "too_many_requests", "Too many requests from your address. Wait a moment.", wait)
	}
	return nil
}

func (h *Handler) remoteAddr(r *http.Request) netip.Addr {
	if h.config.RemoteAddr != nil {
		return h.config.RemoteAddr(r)
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a test's request: all of these share one place
	}
	return peer.Addr().Unmap()
}
