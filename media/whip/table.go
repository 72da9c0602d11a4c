package whip

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"sync"

	"github.com/rialto-live/rialto/media"
)

// entry is one resource.
type entry struct {
	// static
	id       string
	action   Action
	stream   media.StreamID
	grant    media.Grant
	session  Session
	hasToken bool
	token    [sha256.Size]byte // of the Bearer it was opened with: the token itself is not kept

	mu    sync.Mutex // also serialises Trickle and Restart
	etag  string     // guarded by mu: names the ICE session, new with each restart
	ufrag string     // guarded by mu: of the client, in the current ICE session
}

func newEntry(request Request, grant media.Grant, session Session, ufrag string) *entry {
	e := &entry{id: randomName(), action: request.Action, stream: request.Stream, grant: grant, session: session, etag: newETag(), ufrag: ufrag}
	if request.Bearer != "" {
		e.hasToken, e.token = true, sha256.Sum256([]byte(request.Bearer))
	}
	return e
}

// randomName has 128 random bits: nobody guesses the resource of another.
func randomName() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}

func newETag() string { return `"` + randomName()[:16] + `"` }

func (e *entry) currentETag() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.etag
}

func (e *entry) hasBearer(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], e.token[:]) == 1
}

func (e *entry) over() bool {
	select {
	case <-e.session.Done():
		return true
	default:
		return false
	}
}

// table is every resource of the node. Ended sessions are looked for by the
// sweep and at each look-up, so that no session needs a goroutine of its own.
type table struct {
	limit int // static

	mu         sync.Mutex
	entries    map[string]*entry
	newest     map[media.StreamID]*entry // the publish that began last
	publishing int                       // entries that publish
	reserved   int                       // places of sessions being negotiated
	closed     bool
}

func newTable(limit int) *table {
	return &table{limit: limit, entries: map[string]*entry{}, newest: map[media.StreamID]*entry{}}
}

// reserve keeps a place for a session to come; add or release ends that.
func (t *table) reserve() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries)+t.reserved >= t.limit {
		t.sweepLocked()
	}
	switch {
	case t.closed:
		return draining()
	case len(t.entries)+t.reserved >= t.limit:
		return full()
	}
	t.reserved++
	return nil
}

func (t *table) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reserved--
}

// add turns a reserved place into a resource.
func (t *table) add(e *entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reserved--
	if t.closed {
		return draining()
	}
	t.entries[e.id] = e
	if e.action == Publish {
		t.publishing++
		t.newest[e.stream] = e
	}
	return nil
}

func (t *table) find(action Action, id string) (*entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[id]
	if e == nil || e.action != action {
		return nil, false
	}
	if e.over() {
		t.removeLocked(e)
		return nil, false
	}
	return e, true
}

// remove says whether the entry was there, so that of two DELETEs one closes.
func (t *table) remove(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.removeLocked(e)
}

func (t *table) removeLocked(e *entry) bool {
	if t.entries[e.id] != e {
		return false
	}
	delete(t.entries, e.id)
	if e.action == Publish {
		t.publishing--
		if t.newest[e.stream] == e {
			delete(t.newest, e.stream)
		}
	}
	return true
}

func (t *table) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweepLocked()
}

func (t *table) sweepLocked() {
	for _, e := range t.entries {
		if e.over() {
			t.removeLocked(e)
		}
	}
}

// drain closes the table and returns what was in it.
func (t *table) drain() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	left := make([]*entry, 0, len(t.entries))
	for _, e := range t.entries {
		left = append(left, e)
		t.removeLocked(e)
	}
	return left
}

func (t *table) publisher(id media.StreamID) (media.Grant, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.newest[id]
	if e == nil || e.over() {
		return media.Grant{}, false
	}
	return e.grant, true
}

func (t *table) count() (publishing, watching int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.publishing, len(t.entries) - t.publishing
}
