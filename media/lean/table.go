package lean

import "sync"

// table finds a packet's session. Only what proved to know a session's password is entered, and each session has few
// names and few paths (agent), so it grows with sessions alone.
type table struct {
	mu       sync.RWMutex
	names    map[string]*Session // own ICE names that answer
	paths    map[path]*Session   // where checks have come from
	sessions map[*Session]struct{}
}

func newTable() *table {
	return &table{names: map[string]*Session{}, paths: map[path]*Session{}, sessions: map[*Session]struct{}{}}
}

func (t *table) named(name []byte) *Session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.names[string(name)]
}

func (t *table) at(p path) *Session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.paths[p]
}

func (t *table) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.sessions)
}

// all appends every session.
func (t *table) all(list []*Session) []*Session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for s := range t.sessions {
		list = append(list, s)
	}
	return list
}

// add enters a new session; false when its name is another's.
func (t *table) add(s *Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := s.agent.own().UFrag
	if t.names[name] != nil {
		return false
	}
	t.sessions[s] = struct{}{}
	t.names[name] = s
	s.names = []string{name}
	return true
}

// update makes a session's entries those that its agent has now. Needs the session's mu.
func (t *table) update(s *Session, names []string, paths []path) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, here := t.sessions[s]; !here {
		return
	}
	t.forget(s)
	s.names, s.paths = names, paths
	for _, n := range names {
		t.names[n] = s
	}
	// An address that another session had is this one's now. Whoever knows a password can name any address, so the other
	// takes it back with its next check: see Session.takeCheck.
	for _, p := range paths {
		t.paths[p] = s
	}
}

// remove takes a session out.
func (t *table) remove(s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, s)
	t.forget(s)
}

func (t *table) forget(s *Session) {
	for _, n := range s.names {
		if t.names[n] == s {
			delete(t.names, n)
		}
	}
	for _, p := range s.paths {
		if t.paths[p] == s {
			delete(t.paths, p)
		}
	}
}
