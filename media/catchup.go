package media

import "time"

// A worker serves those who follow live first (live.go). All others stand in a queue of its own: joiners, those whose way
// is full, those who skip to a keyframe or change over to another layer. Each gets a little at a time, and one turn does
// only so much for all of them, so that however many join at once, the next frame finds the worker free.

// fellBehind puts a viewer that does not follow live into the queue, to be looked at from look on.
func (w *worker) fellBehind(v *Subscriber, look time.Duration) {
	v.fresh = true
	if v.behind {
		return
	}
	v.behind, v.look = true, look
	w.behind = append(w.behind, v)
}

// catchUp serves the queue until catchUpPackets were sent; who was not reached is first in the next turn.
func (w *worker) catchUp(now time.Duration) {
	queue, before := w.behind, w.batch.tally.packets
	n, left := 0, 0 // looked at, and of those still behind
	for ; n < len(queue) && w.batch.tally.packets-before < catchUpPackets; n++ {
		v := queue[n]
		if !w.bring(v, now) {
			v.behind = false
			continue
		}
		queue[left] = v
		left++
		if v.look > 0 {
			w.lookAt(v.look, now)
		}
	}
	if n == len(queue) {
		clear(queue[left:])
		w.behind = queue[:left]
		return
	}
	w.lookAt(now, now)
	w.behind = append(append(w.turned[:0], queue[n:]...), queue[:left]...)
	clear(queue)
	w.turned = queue[:0]
}

// bring sends a viewer what is due, if anything is, and says whether it is still behind.
func (w *worker) bring(v *Subscriber, now time.Duration) bool {
	if v.gone.Load() {
		return false
	}
	g := v.group
	if now < v.look || v.look == 0 && v.seen == g.version && !v.fresh {
		return true
	}
	v.fresh, v.seen = false, g.version
	v.look = 0
	behind := false
	for k := range v.tracks {
		t, e := &v.tracks[k], &g.edges[k]
		if wait := t.pump(v, e, &w.batch, now); wait > 0 && (v.look == 0 || now+wait < v.look) {
			v.look = now + wait
		}
		behind = behind || !t.follows(e)
	}
	v.sendReports(&w.batch, now)
	return behind
}

// follows says whether a track has come as far as those who follow live, or never will.
func (t *track) follows(e *edge) bool {
	return e.layer == nil || t.refused == e.layer || t.layer == e.layer && t.phase == live && !t.busy && t.pos == e.pos
}
