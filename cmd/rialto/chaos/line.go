package chaos

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"
)

// cut is how one request loses its way.
type cut int32

const (
	whole   cut = iota
	there       // the request: half of it arrives, at most
	andBack     // its answer
)

var errCut = errors.New("the line is cut")

// line is a connection that can be cut in the middle of a request.
type line struct {
	net.Conn
	next atomic.Int32 // a cut
}

// Write sends what is written, or half of it and no more.
func (l *line) Write(p []byte) (int, error) {
	if !l.next.CompareAndSwap(int32(there), int32(whole)) {
		return l.Conn.Write(p)
	}
	n, _ := l.Conn.Write(p[:len(p)/2]) // what is lost does not say so
	_ = l.Conn.Close()
	return n, errCut
}

// Read waits for the answer, which the server has given then, and loses it.
func (l *line) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 && l.next.CompareAndSwap(int32(andBack), int32(whole)) {
		_ = l.Conn.Close()
		return 0, errCut
	}
	return n, err
}

// withCut has the request of ctx lose its way.
func withCut(ctx context.Context, c cut) context.Context {
	if c == whole {
		return ctx
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
		if l, ours := got.Conn.(*line); ours {
			l.next.Store(int32(c))
		}
	}})
}

// newBrowser keeps its connections, which come from one address.
func newBrowser(from netip.Addr) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, LocalAddr: localAddr(from)}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, at string) (net.Conn, error) {
				conn, err := dialer.DialContext(ctx, network, at)
				if err != nil {
					return nil, err
				}
				return &line{Conn: conn}, nil
			},
			MaxIdleConnsPerHost: 2,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// addressOf is an address of its own for each: limits are per address. group 1 are buyers, 2 the same when all is well.
func addressOf(group, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(group), byte(i / 250), byte(i%250 + 1)})
}

func localAddr(from netip.Addr) net.Addr { return &net.TCPAddr{IP: from.AsSlice()} }
