package realtime

import (
	"fmt"
	"sync"
)

// Match says which viewers a revocation means. Empty fields match all; a Match
// with every field empty matches nobody, since that is always a mistake.
type Match struct {
	Room             RoomID
	Subject, Session string
}

func (m Match) matches(room RoomID, who Identity) bool {
	return m != Match{} &&
		(m.Room == "" || m.Room == room) &&
		(m.Subject == "" || m.Subject == who.Subject) &&
		(m.Session == "" || m.Session == who.Session)
}

// maxRevocations is how many revocations can pass while one viewer is being
// authenticated. Past that the viewer is asked to come again.
const maxRevocations = 1024

// revocations remembers the latest revocations, so that one that comes while a
// viewer's authentication is under way is not lost on it.
type revocations struct {
	mu   sync.Mutex
	list [maxRevocations]revocation // number n stands in list[n%len]
	next uint64
}

type revocation struct {
	match Match
	code  Code
	words string
}

func (r *revocations) add(rev revocation) {
	r.mu.Lock()
	r.list[r.next%maxRevocations] = rev
	r.next++
	r.mu.Unlock()
}

func (r *revocations) mark() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next
}

// since returns why somebody who asked to come in at mark must stay outside.
func (r *revocations) since(mark uint64, room RoomID, who Identity) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next-mark > maxRevocations {
		return &CloseError{CodeUnavailable, "busy, try again"}
	}
	for ; mark < r.next; mark++ {
		if rev := r.list[mark%maxRevocations]; rev.match.matches(room, who) {
			return &CloseError{rev.code, rev.words}
		}
	}
	return nil
}

// Revoke closes the viewers that m means, also those about to come in, and
// returns how many it found. Session alone says "signed out", anything else
// "not allowed here any more".
func (h *Hub) Revoke(m Match) int {
	rev := revocation{m, CodeForbidden, "you have been removed from this show"}
	if m.Session != "" && m.Subject == "" && m.Room == "" {
		rev.code, rev.words = CodeSignedOut, "you are signed out"
	}
	return h.revoke(rev)
}

// Rejoin lets the viewers that m means, also those about to come in, join
// again at once: they are somebody else in the room now.
func (h *Hub) Rejoin(m Match) int {
	return h.revoke(revocation{m, CodeReconnect, fmt.Sprintf(reconnectReasonFormat, 0)})
}

// Close ends a room: its viewers are told that the show's room is closed.
func (h *Hub) Close(room RoomID) {
	if room != "" {
		h.revoke(revocation{Match{Room: room}, CodeRoomClosed, "the show is closed"})
	}
}

func (h *Hub) revoke(rev revocation) int {
	if rev.match == (Match{}) {
		return 0
	}
	h.revoked.add(rev)
	found := 0
	end := func(c *Conn) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.room != nil && rev.match.matches(c.room.id, c.identity) && c.close(rev.code, rev.words) {
			found++
		}
	}
	if rev.match.Subject == "" {
		h.conns.each(end)
		return found
	}
	for _, c := range h.subjects.of(rev.match.Subject) {
		end(c)
	}
	return found
}
