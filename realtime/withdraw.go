package realtime

// What was said can be taken back: an event of the state says which kept events
// are gone, and those who join are not shown them. It comes in order and stands
// in the snapshot, so that a room that opens later, or heard nothing for a
// while, leaves out the same.

// withdrawn is what the newest of these events says.
type withdrawn struct {
	version int64
	gone    func(Event) bool // nil: nothing is
}

// has says whether e was taken back.
func (w *withdrawn) has(e Event) bool { return w.gone != nil && e.Keep && w.gone(e) }

// withdraw reads whether e takes something back, and forgets it. It needs mu.
func (r *room) withdraw(e Event) {
	if r.hub.cfg.Withdrawn == nil || e.Version < r.gone.version {
		return
	}
	if gone, ok := r.hub.cfg.Withdrawn(e); ok {
		r.gone = withdrawn{e.Version, gone}
		r.recent.forget(r.gone.has)
	}
}
