package storm

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rialto-live/rialto/realtime"
)

// promise is something that must hold whatever happens.
type promise int

const (
	noGap promise = iota
	noDuplicate
	noFall
	order
	wholeSnapshot
	readable
	endState
	counted
	fewReads
	noResubscribe
	noReset
	nothingLeft
	allSaid
	promises
)

// promiseNames are the names of the counters, and where to look.
var promiseNames = [promises]struct{ name, look string }{
	noGap:         {"gaps", "a lossless event was left out: realtime/ring.go (resume, from), realtime/bus/feed.go"},
	noDuplicate:   {"duplicates", "a lossless event came twice: realtime/ring.go (resume), realtime/pump.go (consume), realtime/bus/publish.lua"},
	noFall:        {"falls", "a value went back: realtime/state.go (judge, replace)"},
	order:         {"disorder", "an offset or a message out of its place: realtime/room.go (write, flush, admit)"},
	wholeSnapshot: {"wrong_snapshots", "a snapshot is not what the show was: realtime/state.go (replace, snapshot)"},
	readable:      {"unreadable", "bytes that protocol.md does not know: realtime/message.go, realtime/wire.go, realtime/pump.go (consume)"},
	endState:      {"wrong_states", "a viewer does not know the truth in the end: realtime/room.go (endTick), realtime/bus/repair.go (check)"},
	counted:       {"wrong_counts", "viewers are counted wrong: realtime/presence.go, realtime/bus/count.lua"},
	fewReads:      {"excess_reads", "more histories were read than messages lost: realtime/bus/feed.go (want, catchUp, look)"},
	noResubscribe: {"resubscribes", "viewers were given a snapshot for what the bus lost: realtime/bus/feed.go (merge)"},
	noReset:       {"resets", "a room began anew though Redis kept its data: realtime/bus/feed.go (continues)"},
	nothingLeft:   {"left_behind", "goroutines, memory, viewers or rooms stay: realtime/conn.go (Detach), realtime/hub.go"},
	allSaid:       {"unsaid", "an update could not be published, or a viewer was sent away: realtime/bus/redis.go, realtime/codes.go"},
}

// report is where all breaches come together.
type report struct {
	broken [promises]atomic.Int64

	mu    sync.Mutex
	words []string
}

// maxWords is how many breaches of a promise are told in words; all are counted.
const maxWords = 4

func (r *report) breach(p promise, format string, args ...any) {
	if r.broken[p].Add(1) > maxWords {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words = append(r.words, promiseNames[p].name+": "+fmt.Sprintf(format, args...))
}

// watcher is what one viewer knows, and whether it may.
type watcher struct {
	report *report // static
	truth  *truth  // static
	name   string  // static

	mu      sync.Mutex
	at      realtime.Position
	version []int64 // of each key, by which a page ignores what is older
	made    []int64 // of each key: the version that its data was made at
	told    []int64 // the same, as this line has told it since its last joined
	line    int64   // the last lossless event of this line's story
	top     int64   // the last that the viewer knows of
	viewers int
	fresh   bool // the line is new and has not said joined
	// ahead: line is of a snapshot, which may know of events that stand behind
	// its offset: the next lossless event may be one of those, and from there on
	// they come in their order.
	ahead bool

	frames, snapshots, resumes, again, replays int64
}

func newWatcher(r *report, t *truth, name string) *watcher {
	return &watcher{
		report: r, truth: t, name: name, viewers: -1, fresh: true,
		version: make([]int64, len(keys)), made: make([]int64, len(keys)), told: make([]int64, len(keys)),
	}
}

// renew notes that what comes next comes over another line, and returns what the
// viewer has.
func (w *watcher) renew() realtime.Position {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = true
	return w.at
}

func (w *watcher) fault(p promise, format string, args ...any) {
	w.report.breach(p, "%s at offset %d: %s", w.name, w.at.Offset, fmt.Sprintf(format, args...))
}

// hear judges one message.
func (w *watcher) hear(m *message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frames++
	switch {
	case m.joined:
		w.join(m)
		return
	case m.offset < 0:
		return // nothing that belongs to the state
	case w.fresh:
		w.fault(order, "%s before joined", m.typ)
	case m.offset < w.at.Offset:
		w.fault(order, "%s goes back to offset %d", m.typ, m.offset)
	}
	for _, e := range m.events {
		if e.isLossless {
			if m.typ == "tick" || m.offset == w.at.Offset {
				w.fault(order, "lossless %d in a %s at offset %d", e.number, m.typ, m.offset)
			}
			w.follow(e)
		} else {
			w.value(e)
		}
	}
	w.at.Offset = max(w.at.Offset, m.offset)
	w.count(m)
}

func (w *watcher) count(m *message) {
	if m.viewers >= 0 {
		w.viewers = m.viewers
	}
}

// follow takes a lossless event that came live.
func (w *watcher) follow(e item) {
	switch {
	case e.number <= w.line && !w.ahead:
		w.fault(noDuplicate, "lossless %d came behind %d", e.number, w.line)
	case e.number > w.line+1:
		w.fault(noGap, "lossless %d came behind %d", e.number, w.line)
	}
	w.line, w.ahead = e.number, false
	if e.number <= w.top {
		// A snapshot had it already, perhaps of a faster node.
		w.replays++
		if e.version > w.version[e.key] {
			w.fault(noDuplicate, "lossless %d is taken again in version %d", e.number, e.version)
		}
		return
	}
	w.top = e.number
	if e.version != e.made || e.version <= w.version[e.key] {
		w.fault(noFall, "%v version %d of data %d comes behind %d", keys[e.key], e.version, e.made, w.version[e.key])
	}
	w.apply(e)
}

// value takes a latest value. What waited for a tick while somebody joined is in
// the snapshot too, so that it may come again.
func (w *watcher) value(e item) {
	if e.made < w.told[e.key] {
		w.fault(noFall, "%v goes from %d to %d on one line", keys[e.key], w.told[e.key], e.made)
	}
	w.told[e.key] = e.made
	w.apply(e)
}

func (w *watcher) apply(e item) {
	if e.version <= w.version[e.key] {
		return // what a page ignores
	}
	if e.made < w.made[e.key] {
		w.fault(noFall, "%v goes from data %d to %d with version %d", keys[e.key], w.made[e.key], e.made, e.version)
	}
	w.version[e.key], w.made[e.key] = e.version, e.made
}

func (w *watcher) join(m *message) {
	first := w.fresh
	w.fresh = false
	defer w.count(m)
	if m.resumed {
		w.resumes++
		clear(w.told) // a snapshot may have known more than this line does
		if !first || m.epoch != w.at.Epoch || m.offset != w.at.Offset || len(m.events) > 0 {
			w.fault(order, "resumed at %s %d with %d events", m.epoch, m.offset, len(m.events))
		}
		return
	}
	w.snapshots++
	if !first {
		w.again++
	}
	w.line, w.ahead = 0, true
	for _, e := range m.events {
		w.line = max(w.line, e.number)
	}
	seen := 0
	for _, e := range m.events {
		if want := int64(0); e.isLossless {
			if want = w.truth.asOf(e.key, w.line); e.made != want {
				w.fault(wholeSnapshot, "with lossless %d %v is %d, want %d", w.line, keys[e.key], e.made, want)
			}
		}
		seen++
		w.told[e.key] = e.made
		w.apply(e)
	}
	if seen != len(keys) {
		w.fault(wholeSnapshot, "%d keys, want %d", seen, len(keys))
	}
	w.top = max(w.top, w.line)
	w.at = realtime.Position{Epoch: m.epoch, Offset: m.offset}
}

// knows says what the viewer does not know of what it should, or "".
func (w *watcher) knows(want []int64, viewers int) (state, count string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, n := range want {
		if w.made[key] != n {
			state = fmt.Sprintf("%s: %v is %d, want %d", w.name, keys[key], w.made[key], n)
		}
	}
	if w.viewers != viewers {
		count = fmt.Sprintf("%s is told of %d viewers, want %d", w.name, w.viewers, viewers)
	}
	return state, count
}

// list is the version of each key's data.
func (w *watcher) list() []int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.made)
}
