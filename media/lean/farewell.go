package lean

import (
	"sync"
	"time"
)

const (
	// resendEvery is the least time between two resends of our last flight, and maxResends how many there are in all.
	// Chromium repeats its own after 50 ms and then waits twice as long each time, so 20 last longer than it tries.
	resendEvery = 50 * time.Millisecond
	maxResends  = 20
)

// farewell is what a DTLS connection has left to say when it is dropped after its handshake: no data is ever sent over
// it, and keeping it would cost each viewer three goroutines and 38 KB. Its methods may be called by any goroutine.
type farewell struct {
	// static after run
	last   [][]byte // datagrams of our last flight, as they were sent
	notify []byte   // close_notify

	mu      sync.Mutex
	resends int
	resent  time.Time
}

// again takes a DTLS datagram that came after the handshake. A client that sends its last flight once more has not got
// ours (RFC 6347 section 4.2.4), so that is resent through write, the very same bytes: to whom they are new, their record
// numbers are too. goodbye says that the datagram holds an encrypted alert. Whether the client made it cannot be told
// any more, so it is a hint and nothing is to be ended because of it alone.
func (f *farewell) again(b []byte, write func([]byte)) (goodbye bool) {
	repeats := false
	for r, rest, ok := nextRecord(b); ok; r, rest, ok = nextRecord(rest) {
		goodbye = goodbye || r.kind == kindAlert && r.epoch == 1
		repeats = repeats || r.repeats()
	}
	if repeats && f.mayResend(time.Now()) {
		for _, datagram := range f.last {
			write(datagram)
		}
	}
	return goodbye
}

func (f *farewell) mayResend(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.resends >= maxResends || f.resends > 0 && now.Sub(f.resent) < resendEvery {
		return false
	}
	f.resends++
	f.resent = now
	return true
}

// close says goodbye to the client: with the close_notify that was sealed while the keys were there. Called again, it
// says it again, which a client takes for a replay.
func (f *farewell) close(write func([]byte)) { write(f.notify) }
