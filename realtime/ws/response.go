package ws

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// How an event stream gets to its page: over the connection itself where that
// can be had (HTTP/1.1), over one of its streams where others share it (HTTP/2).

// eventHeaders keep those in between from storing the stream or holding it back.
var eventHeaders = [][2]string{
	{"Content-Type", "text/event-stream"},
	{"Cache-Control", "no-store"},
	{"X-Accel-Buffering", "no"}, // a word to nginx
	{"X-Content-Type-Options", "nosniff"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
}

// head is the answer's head over HTTP/1.1. It names no length: the stream ends
// with the connection (RFC 9112 section 6.3), so that what is sent is the same
// bytes for everybody.
func head(now time.Time) []byte {
	b := []byte("HTTP/1.1 200 OK\r\nConnection: close\r\nDate: " + now.UTC().Format(http.TimeFormat) + "\r\n")
	for _, h := range eventHeaders {
		b = append(b, h[0]+": "+h[1]+"\r\n"...)
	}
	return append(b, "\r\n"...)
}

// lineBlock tells the page its line. It goes out before the hub has the line:
// what the hub has to say may take the place of what waits.
func (s *stream) lineBlock() []byte {
	return []byte("event: line\ndata: {\"line\":\"" + s.id + "\"}\n\n")
}

// takeOver makes the stream of the request's own connection.
func (s *stream) takeOver(w http.ResponseWriter, ticket *realtime.Ticket, join message) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		ticket.Release()
		problem(w, http.StatusInternalServerError, "stream_unsupported", "This server cannot stream here.")
		return
	}
	sock := newSocket(conn)
	_ = sock.SetWriteDeadline(time.Now().Add(upgradeTimeout))
	if _, err := sock.Write(append(head(s.handler.cfg.Now()), s.lineBlock()...)); err != nil {
		ticket.Release()
		_ = sock.Close()
		return
	}
	_ = sock.SetWriteDeadline(time.Time{})
	giveUpAfter(sock.wire(), deadAfter)
	s.remote = ticket.Attach(sock, realtime.Lines)
	if !s.handler.cfg.Hub.Go(func() { s.run(join, func() { s.drain(&counted{Conn: conn}) }) }) {
		s.remote.Detach()
	}
}

// drain reads until the page has gone. It has nothing to say here, and the
// little that it may say all the same is counted.
func (s *stream) drain(line *counted) {
	for b := make([]byte, 64); ; {
		_, err := line.Read(b)
		switch {
		case errors.Is(err, errFlood):
			s.remote.Close(errTooMany.Code, errTooMany.Reason)
		case err != nil:
			return
		}
	}
}

// answerOn makes the stream of the answer to a request. It returns with it.
func (s *stream) answerOn(w http.ResponseWriter, r *http.Request, ticket *realtime.Ticket, join message) {
	for _, h := range eventHeaders {
		w.Header().Set(h[0], h[1])
	}
	w.WriteHeader(http.StatusOK)
	out := &response{w: w, rc: http.NewResponseController(w), over: make(chan struct{})}
	defer out.end()
	_ = out.SetWriteDeadline(time.Now().Add(upgradeTimeout))
	if _, err := out.Write(s.lineBlock()); err != nil {
		ticket.Release()
		return
	}
	_ = out.SetWriteDeadline(time.Time{})
	s.remote = ticket.Attach(out, realtime.Lines)
	ended := make(chan struct{})
	if s.handler.cfg.Hub.Go(func() {
		defer close(ended)
		s.run(join, func() {
			select {
			case <-out.over:
			case <-r.Context().Done():
			}
		})
	}) {
		<-ended
	} else {
		s.remote.Detach()
	}
}

// response is a realtime.Socket over the answer to a request. It cannot tell
// how much fits, so that a goroutine writes that may wait.
type response struct {
	// static
	rc   *http.ResponseController
	over chan struct{} // closed by Close

	once sync.Once // of Close

	mu    sync.Mutex
	grace *time.Timer // stands for a deadline of reading

	// gate is held by who uses w: nobody may after the handler has returned.
	gate sync.RWMutex
	w    http.ResponseWriter // nil from then on
}

func (o *response) closed() bool {
	select {
	case <-o.over:
		return true
	default:
		return false
	}
}

func (o *response) TryWrite([]byte) (int, error) {
	if o.closed() {
		return 0, net.ErrClosed
	}
	return 0, nil
}

func (o *response) Write(p []byte) (int, error) {
	o.gate.RLock()
	defer o.gate.RUnlock()
	if o.w == nil || o.closed() {
		return 0, net.ErrClosed
	}
	n, err := o.w.Write(p)
	if err == nil {
		err = o.rc.Flush()
	}
	return n, err
}

func (o *response) SetWriteDeadline(t time.Time) error {
	o.gate.RLock()
	defer o.gate.RUnlock()
	if o.w == nil || o.closed() {
		return net.ErrClosed
	}
	return o.rc.SetWriteDeadline(t)
}

// SetReadDeadline ends the stream at t: reading is what tells the reader, and
// here there is nothing to read.
func (o *response) SetReadDeadline(t time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grace != nil {
		o.grace.Stop()
		o.grace = nil
	}
	if !t.IsZero() && !o.closed() {
		o.grace = time.AfterFunc(time.Until(t), func() { _ = o.Close() })
	}
	return nil
}

// Close does not wait.
func (o *response) Close() error {
	o.once.Do(func() { close(o.over) })
	return nil
}

// end returns when nobody uses the answer any more; whoever writes and waits is
// interrupted.
func (o *response) end() {
	_ = o.Close()
	_ = o.SetReadDeadline(time.Time{})
	if !o.gate.TryLock() {
		_ = o.rc.SetWriteDeadline(time.Unix(1, 0)) // long ago
		o.gate.Lock()
	}
	o.w = nil
	o.gate.Unlock()
}
