package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// Why a session ended that its owner did not close.
var (
	// ErrNotConnected: the offer was accepted, but no media path came up.
	ErrNotConnected = errors.New("client: no media path to the server")
	// ErrLost: the server fell silent.
	ErrLost = errors.New("client: the server fell silent")
	// ErrEnded: the server ended the session, because it was taken over, revoked or closed.
	ErrEnded = errors.New("client: the server ended the session")
)

// errClosed ends a session by its owner's wish; it is no error to the owner.
var errClosed = errors.New("client: closed")

const (
	connectTimeout = 10 * time.Second
	deleteTimeout  = 3 * time.Second
)

// session is what a Publisher and a Viewer share: one PeerConnection, one
// resource on a server, and an orderly end.
type session struct {
	// static after open
	pc        *webrtc.PeerConnection
	log       *slog.Logger
	ctx       context.Context // ends with the session; its cause says why
	end       context.CancelCauseFunc
	connected chan struct{}
	done      chan struct{}
	opened    time.Time

	connectOnce sync.Once

	mu     sync.Mutex
	at     endpoint       // guarded by mu after open
	ending bool           // guarded by mu: no goroutine may start any more
	group  sync.WaitGroup // Add under mu

	// written by reap before done is closed
	err       error
	deleteErr error
}

type sessionConfig struct {
	url, token string
	http       *http.Client
	patience   time.Duration
	network    Network
	codecs     []string
	log        *slog.Logger
	offer      func(string) string
}

// open negotiates a session. prepare adds tracks and hooks before the offer is
// made. ctx bounds the negotiation alone.
func open(ctx context.Context, c sessionConfig, prepare func(*session) error) (*session, error) {
	api, err := c.network.api(c.codecs)
	if err != nil {
		return nil, err
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{BundlePolicy: webrtc.BundlePolicyMaxBundle})
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	s := &session{pc: pc, log: orDiscard(c.log), connected: make(chan struct{}), done: make(chan struct{}), opened: time.Now()}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	s.at = endpoint{http: c.http, token: c.token}
	if s.at.http == nil {
		s.at.http = c.network.httpClient()
	}
	pc.OnConnectionStateChange(s.stateChanged)
	err = prepare(s)
	if err == nil {
		err = s.negotiate(ctx, c)
	}
	if err != nil {
		s.end(err)
		s.finish(s.at.url != nil) // accepted, but the answer was no good
		return nil, err
	}
	s.spawn(s.watchConnecting)
	go s.reap()
	return s, nil
}

func (s *session) negotiate(ctx context.Context, c sessionConfig) error {
	offer, err := s.gather(ctx, nil)
	if err != nil {
		return err
	}
	if c.offer != nil {
		offer = c.offer(offer)
	}
	text, err := s.at.offer(ctx, c.url, offer, c.patience)
	if err != nil {
		return err
	}
	answer := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}
	if err := s.pc.SetRemoteDescription(answer); err != nil {
		return fmt.Errorf("client: the server's answer: %w", err)
	}
	return nil
}

// gather makes an offer with every candidate in it, so that no trickling is needed.
func (s *session) gather(ctx context.Context, options *webrtc.OfferOptions) (string, error) {
	// Not GatheringCompletePromise, which is never kept when a restart ends gathering at the moment that it is asked for.
	changed := make(chan struct{}, 1)
	s.pc.OnICEGatheringStateChange(func(webrtc.ICEGatheringState) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	offer, err := s.pc.CreateOffer(options)
	if err != nil {
		return "", fmt.Errorf("client: offer: %w", err)
	}
	if err := s.pc.SetLocalDescription(offer); err != nil {
		return "", fmt.Errorf("client: offer: %w", err)
	}
	for s.pc.ICEGatheringState() != webrtc.ICEGatheringStateComplete {
		select {
		case <-changed:
		case <-ctx.Done():
			return "", fmt.Errorf("client: gathering addresses: %w", context.Cause(ctx))
		}
	}
	return s.pc.LocalDescription().SDP, nil
}

func (s *session) stateChanged(state webrtc.PeerConnectionState) {
	switch state {
	case webrtc.PeerConnectionStateConnected:
		s.connectOnce.Do(func() { close(s.connected) })
	case webrtc.PeerConnectionStateFailed:
		s.end(ErrLost)
	case webrtc.PeerConnectionStateClosed:
		s.end(ErrEnded) // ours too, but then a cause has been given before
	}
}

func (s *session) watchConnecting() {
	timer := time.NewTimer(connectTimeout)
	defer timer.Stop()
	select {
	case <-s.connected:
	case <-s.ctx.Done():
	case <-timer.C:
		s.end(ErrNotConnected)
	}
}

// spawn runs f as a part of the session, unless the session is ending.
func (s *session) spawn(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ending {
		s.group.Go(f)
	}
}

func (s *session) reap() {
	<-s.ctx.Done()
	// A session that the server ended is gone there too; otherwise say so, or
	// a silent network would keep the place taken until it times out.
	s.finish(!errors.Is(context.Cause(s.ctx), ErrEnded))
}

// finish ends everything and waits for it.
func (s *session) finish(remote bool) {
	s.mu.Lock()
	s.ending = true
	at := s.at
	s.mu.Unlock()
	if remote && at.url != nil {
		ctx, cancel := context.WithTimeout(context.Background(), deleteTimeout)
		s.deleteErr = at.delete(ctx)
		cancel()
	}
	if err := s.pc.GracefulClose(); err != nil {
		s.log.Debug("closing a peer connection", "error", err)
	}
	s.group.Wait()
	at.http.CloseIdleConnections()
	if cause := context.Cause(s.ctx); !errors.Is(cause, errClosed) {
		s.err = cause
	}
	close(s.done)
}

// Connected is closed when media flows for the first time.
func (s *session) Connected() <-chan struct{} { return s.connected }

// Done is closed when the session has ended and its goroutines are gone.
func (s *session) Done() <-chan struct{} { return s.done }

// Err says why the session ended: nil while it runs and after Close.
func (s *session) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close deletes the session on the server and waits for its end. It may be
// called more than once; the error is that of the DELETE.
func (s *session) Close() error {
	s.end(errClosed)
	<-s.done
	return s.deleteErr
}

// Abandon ends the session without a DELETE. The goodbye of DTLS still goes
// out, unless the network was cut before: that is how a killed process looks.
func (s *session) Abandon() {
	s.mu.Lock()
	s.at.url = nil
	s.mu.Unlock()
	s.end(errClosed)
	<-s.done
}

// Resource is the URL and the ETag the server gave the session.
func (s *session) Resource() (url, etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.url == nil {
		return "", ""
	}
	return s.at.url.String(), s.at.etag
}
