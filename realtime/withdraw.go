package realtime

// What was said can be taken back: an event of the state names kept events by
// their ids, or whose they are, and those who join are not shown them. It comes
// in order and stands in the snapshot, so that a room that opens later, or
// heard nothing for a while, leaves out the same.

// withdrawn is what the newest of these events names.
type withdrawn struct {
	version int64
	names   map[string]struct{} // ids and authors
}

// has says whether e was taken back.
func (w *withdrawn) has(e Event) bool {
	if len(w.names) == 0 || !e.Keep {
		return false
	}
	_, id := w.names[e.ID]
	_, by := w.names[e.By]
	return id || by && e.By != ""
}

// withdraw reads whether e takes something back, and forgets it. It needs mu.
func (r *room) withdraw(e Event) {
	if r.hub.cfg.Withdrawn == nil || e.Version < r.gone.version {
		return
	}
	ids, authors, ok := r.hub.cfg.Withdrawn(e)
	if !ok {
		return
	}
	r.gone = withdrawn{e.Version, make(map[string]struct{}, len(ids)+len(authors))}
	for _, name := range ids {
		r.gone.names[name] = struct{}{}
	}
	for _, name := range authors {
		r.gone.names[name] = struct{}{}
	}
	r.recent.forget(r.gone.has)
}
