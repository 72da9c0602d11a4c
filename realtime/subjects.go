package realtime

import (
	"slices"
	"sync"
)

// subjects finds the sockets of a person. Somebody who is unknown is not in
// it.
type subjects struct {
	mu    sync.Mutex // a leaf
	conns map[string][]*Conn
}

func newSubjects() *subjects { return &subjects{conns: map[string][]*Conn{}} }

func (s *subjects) add(subject string, c *Conn) {
	if subject == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[subject] = append(s.conns[subject], c)
}

// remove may be called for a socket that was never added.
func (s *subjects) remove(subject string, c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := slices.DeleteFunc(s.conns[subject], func(other *Conn) bool { return other == c })
	if len(left) == 0 {
		delete(s.conns, subject)
		return
	}
	s.conns[subject] = left
}

func (s *subjects) of(subject string) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns[subject])
}

// Tell says to a person's sockets on this node that their private document has
// reached version, and returns how many there are. A socket that takes nothing
// is told later, of the highest version alone.
func (h *Hub) Tell(subject string, version int64) (told int) {
	conns := h.subjects.of(subject)
	if len(conns) == 0 {
		return 0
	}
	ready := newMessage(meText(version))
	for _, c := range conns {
		if c.tell(version, ready) {
			told++
		}
	}
	return told
}

func (c *Conn) tell(version int64, ready *message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != open {
		return false
	}
	if version > c.told { // announcements can overtake each other
		c.told, c.me = version, ready
		c.flush()
	}
	return true
}
