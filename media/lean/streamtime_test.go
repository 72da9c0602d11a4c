package lean

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a connection in a synctest bubble, where time stands until all wait.
type wire struct {
	net.Conn
	remote *net.TCPAddr
}

func (w *wire) RemoteAddr() net.Addr { return w.remote }

// exchange is a listener whose Accept returns what it is given.
type exchange struct {
	next   chan any // net.Conn or error
	closed chan struct{}
}

func (e *exchange) Accept() (net.Conn, error) {
	select {
	case <-e.closed:
		return nil, net.ErrClosed
	case v := <-e.next:
		if err, ok := v.(error); ok {
			return nil, err
		}
		return v.(net.Conn), nil
	}
}

func (e *exchange) Close() error   { close(e.closed); return nil }
func (e *exchange) Addr() net.Addr { return &net.TCPAddr{} }

// bubble runs a test with streams whose time is the bubble's. join makes a connection and returns the client's end.
func bubble(t *testing.T, test func(t *testing.T, s *streams, e *exchange, join func(port int) (net.Conn, path))) {
	synctest.Test(t, func(t *testing.T) {
		e := &exchange{next: make(chan any), closed: make(chan struct{})}
		var s *streams
		s = newStreams(e, func(b []byte, from path) {
			if b[0] == 0 {
				s.keep(from)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.run(ctx) }()
		test(t, s, e, func(port int) (net.Conn, path) {
			ours, theirs := net.Pipe()
			w := &wire{ours, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}}
			e.next <- w
			synctest.Wait()
			return theirs, path{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), tcp: true}
		})
		cancel()
		<-done
		if open, strange := s.size(); open != 0 || strange != 0 {
			t.Errorf("%d open, %d strange", open, strange)
		}
	})
}

func isOpen(s *streams) bool {
	synctest.Wait()
	n, _ := s.size()
	return n > 0
}

// However slowly it talks, a stranger ends in time; so does one that says nothing.
func TestStreamsStrangersEnd(t *testing.T) {
	for name, talk := range map[string]func(c net.Conn){
		"silent": func(net.Conn) {},
		"a byte a second": func(c net.Conn) {
			for _, b := range framed(make([]byte, 100)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"empty packets": func(c net.Conn) {
			for {
				if _, err := c.Write(framed(nil)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		},
		"checks of somebody": func(c net.Conn) {
			for {
				if _, err := c.Write(framed([]byte{1})); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *streams, _ *exchange, join func(int) (net.Conn, path)) {
				s.onGone = func(path) { t.Error("a session is told of a stranger") }
				conn, _ := join(1)
				var talking sync.WaitGroup
				defer talking.Wait()
				defer conn.Close()
				talking.Go(func() { talk(conn) })
				time.Sleep(strangerWithin - time.Nanosecond)
				if !isOpen(s) {
					t.Fatal("ended before its time")
				}
				time.Sleep(time.Nanosecond)
				if isOpen(s) || s.counts.overdue.Load() != 1 {
					t.Fatalf("open after its time, or not counted: %d", s.counts.overdue.Load())
				}
			})
		})
	}
}

func TestStreamsKeptStayHoweverSilent(t *testing.T) {
	bubble(t, func(t *testing.T, s *streams, _ *exchange, join func(int) (net.Conn, path)) {
		conn, at := join(1)
		defer conn.Close()
		time.Sleep(strangerWithin - time.Nanosecond)
		if _, err := conn.Write(framed([]byte{0})); err != nil {
			t.Fatal(err)
		}
		s.keep(at) // again
		time.Sleep(time.Hour)
		if !isOpen(s) {
			t.Error("a connection that is kept has ended")
		}
	})
}

func TestStreamsStalledWriteEnds(t *testing.T) {
	bubble(t, func(t *testing.T, s *streams, _ *exchange, join func(int) (net.Conn, path)) {
		var gone []path
		s.onGone = func(from path) { gone = append(gone, from) }
		conn, at := join(1)
		defer conn.Close()
		if _, err := conn.Write(framed([]byte{0})); err != nil {
			t.Fatal(err)
		}
		// Something is taken just in time: it goes on.
		for range 3 {
			if !s.write(make([]byte, 1000), at) {
				t.Fatal("no room")
			}
			time.Sleep(stallWithin - time.Nanosecond)
			if _, err := io.ReadFull(conn, make([]byte, 1000+frameHeader)); err != nil {
				t.Fatal(err)
			}
		}
		s.write(make([]byte, 1000), at)
		time.Sleep(stallWithin - time.Nanosecond)
		if !isOpen(s) {
			t.Fatal("ended before its time")
		}
		time.Sleep(time.Nanosecond)
		if isOpen(s) || s.counts.stalled.Load() != 1 || len(gone) != 1 || gone[0] != at {
			t.Errorf("open, or counted as %d, told of %v", s.counts.stalled.Load(), gone)
		}
	})
}

// Who takes no last words is waited for no longer than the time for them, however much there is.
func TestStreamsLastWordsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, s *streams, _ *exchange, join func(int) (net.Conn, path)) {
		conn, at := join(1)
		defer conn.Close()
		if _, err := conn.Write(framed([]byte{0})); err != nil {
			t.Fatal(err)
		}
		for s.write(make([]byte, 1000), at) {
		}
		s.drop(at)
		one := make([]byte, 1)
		time.Sleep(lastWordsWithin - time.Nanosecond)
		if _, err := conn.Read(one); err != nil {
			t.Fatalf("ended before its time: %v", err)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if _, err := conn.Read(one); !errors.Is(err, io.EOF) {
			t.Errorf("after its time: %v", err)
		}
	})
}

// A listener that is out of descriptors for a while goes on; one that is closed ends run, and with it every connection.
func TestStreamsListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &exchange{next: make(chan any), closed: make(chan struct{})}
		s := newStreams(e, func([]byte, path) {})
		done := make(chan error, 1)
		go func() { done <- s.run(t.Context()) }()
		for range 3 {
			e.next <- syscall.EMFILE
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		e.next <- &wire{ours, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}}
		if !isOpen(s) {
			t.Error("no more are let in")
		}
		e.next <- net.ErrClosed
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("run ended with %v", err)
		}
		if n, err := theirs.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}
