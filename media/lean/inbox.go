package lean

import (
	"net"
	"os"
	"sync"
	"time"
)

const (
	// inboxDatagrams and inboxBytes bound what waits for Pion; more is dropped, as a network would.
	inboxDatagrams = 32
	inboxBytes     = 64 << 10
	// maxDatagram is the longest datagram taken. Pion reads into 8 KB.
	maxDatagram = 8 << 10
	// handshakeBytes and handshakeDatagrams bound what one handshake takes in all, since Pion keeps what it cannot use yet.
	// A client's flights weigh about 1 KB, so this is a hundred of them.
	handshakeBytes     = 128 << 10
	handshakeDatagrams = 512
)

// inbox holds a client's datagrams until Pion reads them.
type inbox struct {
	mu        sync.Mutex
	ready     *sync.Cond
	datagrams [][]byte
	bytes     int // waiting
	taken     int // bytes in all
	count     int // datagrams in all
	expired   bool
	closed    bool
}

// put never blocks; the inbox owns b from now on.
func (i *inbox) put(b []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closed, len(b) > maxDatagram:
		return
	case len(i.datagrams) >= inboxDatagrams, i.bytes+len(b) > inboxBytes:
		return
	case i.count >= handshakeDatagrams, i.taken+len(b) > handshakeBytes:
		return
	}
	i.datagrams = append(i.datagrams, b)
	i.bytes += len(b)
	i.taken += len(b)
	i.count++
	i.ready.Signal()
}

// get copies the next datagram into b.
func (i *inbox) get(b []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for {
		switch {
		case i.closed:
			return 0, net.ErrClosed
		case i.expired:
			return 0, os.ErrDeadlineExceeded
		case len(i.datagrams) > 0:
			next := i.datagrams[0]
			i.datagrams[0] = nil
			i.datagrams = i.datagrams[1:]
			i.bytes -= len(next)
			return copy(b, next), nil
		}
		i.ready.Wait()
	}
}

// expire makes reads fail while t is past. Pion sets one deadline only, long past, to interrupt a read.
func (i *inbox) expire(t time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.expired = !t.IsZero() && !t.After(time.Now())
	i.ready.Broadcast()
}

func (i *inbox) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	i.datagrams, i.bytes = nil, 0
	i.ready.Broadcast()
}
