package load

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load/sockets"
)

const (
	streamBuffer = 16 << 10
	// stallWithin ends a viewer whose TCP connection takes nothing: the one goroutine that reports for all must not wait.
	stallWithin = time.Second
	frameHeader = 2 // RFC 4571: the length of a packet goes before it
)

// wire is how a viewer's packets go to the server. Those that come are given to Viewer.take.
type wire interface {
	// write sends one. What is lost, on the way or here, is for the protocols above to send again.
	write(b []byte, to netip.AddrPort)
	LocalAddr() net.Addr
	Close() error
}

// udpWire is read by the crowd's poller.
type udpWire struct{ *sockets.Socket }

func (w udpWire) write(b []byte, to netip.AddrPort) { _ = w.Write(b, to) }

// tcpWire is the active side of ICE-TCP (RFC 6544).
type tcpWire struct {
	net.Conn
	server netip.AddrPort
	reader *bufio.Reader // the viewer's reader owns it

	mu     sync.Mutex
	framed []byte // guarded by mu, for one write
}

// openTCP connects to the first candidate that lets it.
func openTCP(ctx context.Context, d *door, candidates []netip.AddrPort) (*tcpWire, error) {
	ctx, cancel := context.WithTimeout(ctx, pathWithin)
	defer cancel()
	var first error
	for _, to := range candidates {
		conn, err := d.dial(ctx, "tcp4", to.String())
		if err == nil {
			return &tcpWire{Conn: conn, server: to, reader: bufio.NewReaderSize(conn, streamBuffer)}, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// read waits for one packet.
func (w *tcpWire) read(b []byte) (int, netip.AddrPort, error) {
	var head [frameHeader]byte
	switch _, err := io.ReadFull(w.reader, head[:]); {
	case errors.Is(err, io.EOF):
		return 0, w.server, ErrEnded // it closed; the goodbye of DTLS may have come before
	case err != nil:
		return 0, w.server, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	if size > len(b) {
		return 0, w.server, fmt.Errorf("the server sent a frame of %d bytes", size)
	}
	n, err := io.ReadFull(w.reader, b[:size])
	return n, w.server, err
}

// write ends a connection that takes only a part: what would follow could not be read.
func (w *tcpWire) write(b []byte, _ netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.framed = binary.BigEndian.AppendUint16(w.framed[:0], uint16(len(b)))
	w.framed = append(w.framed, b...)
	_ = w.SetWriteDeadline(time.Now().Add(stallWithin)) // fails only on a closed connection
	if _, err := w.Write(w.framed); err != nil {
		_ = w.Close() // the reader finds out
	}
}
