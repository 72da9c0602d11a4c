package bus

import (
	"slices"
	"sync"

	"github.com/rialto-live/rialto/realtime"
)

// message is an event with its place.
type message struct {
	offset int64
	event  realtime.Event
}

// page is what a history says when asked for what follows a place.
type page struct {
	epoch  string
	top    int64     // offset of the newest event
	topID  string    // its id
	events []message // from the asked offset itself on, as far as kept and not too many
}

// question is where a feed stood when it asked, to be compared with the page.
type question struct {
	at    realtime.Position
	id    string // of the event at at.Offset
	doubt uint64
	first bool
	why   reason
}

// reason is why a history is read, as the label of the metric says it.
type reason string

const (
	readLink  reason = "link"  // the connection to Redis was (re)made; also a feed's first
	readGap   reason = "gap"   // a message was missing before one that came
	readTail  reason = "tail"  // the newest messages were missing, with none behind them
	readStory reason = "story" // Redis tells another one than before
	readFull  reason = "full"  // the room stood still, and there was no place to keep more
	readPage  reason = "page"  // there was more than fits one page
)

var reasons = []reason{readLink, readGap, readTail, readStory, readFull, readPage}

// answer says what to do after a page was merged.
type answer struct {
	again    bool // ask once more
	renew    bool // the history tells another story: start a new epoch
	repaired int  // events that only the history had
}

// feed is one subscriber's view of a room. It knows nothing of Redis: what to
// believe is decided here, by both implementations alike.
type feed struct {
	room  string            // static
	limit sizes             // static
	ask   func(*feed)       // static: have the history read and merged; may be called with no lock held
	leave func(*feed)       // static
	ready chan struct{}     // static; signals that queue has something
	begun chan struct{}     // closed when start is known
	start realtime.Position // where the feed began; set before begun is closed

	mu     sync.Mutex // guards what follows
	at     realtime.Position
	id     string // of the event at at.Offset
	queue  []realtime.Delivery
	spare  []realtime.Delivery
	casts  int // in queue
	open   bool
	closed bool
	// doubts counts the reasons to doubt what comes live; settled is how many
	// of them a history has answered. Live messages are believed when they are
	// equal.
	doubts, settled uint64
	asked           bool              // somebody is about to read the history, or does
	why             reason            // of that
	suspect         bool              // the connection was lost in between: tell the room
	heard           realtime.Position // the furthest message seen while in doubt, on this connection
	ahead           []message         // the first messages of heard's epoch that came in doubt
	promised        realtime.Position // where Redis stood at the last look
}

func newFeed(room string, limit sizes, ask, leave func(*feed)) *feed {
	return &feed{room: room, limit: limit, ask: ask, leave: leave, ready: make(chan struct{}, 1), begun: make(chan struct{}), doubts: 1}
}

func (f *feed) Ready() <-chan struct{} { return f.ready }

func (f *feed) Take() []realtime.Delivery {
	f.mu.Lock()
	taken := f.queue
	f.queue, f.spare, f.casts = f.spare[:0], taken, 0
	short := f.open && f.doubts != f.settled && f.want(readFull)
	f.mu.Unlock()
	if short {
		f.ask(f)
	}
	return taken
}

// want notes that the history has to be read. It is false when somebody is
// about to: one page answers all who asked before it was read, and merge finds
// out what came too late for it.
func (f *feed) want(why reason) bool {
	if f.asked {
		return false
	}
	f.asked, f.why = true, why
	return true
}

func (f *feed) Close() {
	f.mu.Lock()
	first := !f.closed
	f.closed = true
	f.queue, f.casts = nil, 0
	f.mu.Unlock()
	if first {
		f.leave(f)
	}
}

func (f *feed) signal() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

// hear takes a live message and reports whether the history has to be read.
func (f *feed) hear(epoch string, m message) (ask bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return false
	case f.doubts != f.settled:
		f.hold(epoch, m)
		return false
	case epoch == f.at.Epoch && m.offset <= f.at.Offset:
		return false // the history was faster
	case epoch != f.at.Epoch:
		f.doubts++
		f.hold(epoch, m)
		return f.want(readStory)
	case m.offset > f.at.Offset+1:
		f.doubts++
		f.hold(epoch, m)
		return f.want(readGap)
	case f.full():
		f.doubts++
		f.hold(epoch, m)
		return false // Take asks, when there is room again
	}
	f.push(m)
	f.signal()
	return false
}

// full leaves casts out: they take no event's place.
func (f *feed) full() bool { return len(f.queue)-f.casts >= f.limit.waiting }

// cast takes an event without a place. It says nothing about what else has
// come, so that it is given in doubt as well. lost is true when another cast
// had to go for it.
func (f *feed) cast(e realtime.Event) (lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || !f.open {
		return false // who opens a room asks for what was before
	}
	if f.casts == f.limit.casts {
		oldest := slices.IndexFunc(f.queue, isCast)
		f.queue = slices.Delete(f.queue, oldest, oldest+1)
		f.casts--
		lost = true
	}
	f.queue = append(f.queue, realtime.Delivery{Event: e})
	f.casts++
	f.signal()
	return lost
}

func isCast(d realtime.Delivery) bool { return d.News == realtime.NewsNone && d.Offset == 0 }

// hold keeps a message that cannot be believed yet.
func (f *feed) hold(epoch string, m message) {
	if epoch != f.heard.Epoch {
		f.heard, f.ahead = realtime.Position{Epoch: epoch}, nil
	}
	f.heard.Offset = max(f.heard.Offset, m.offset)
	if len(f.ahead) < f.limit.ahead {
		f.ahead = append(f.ahead, m)
	}
}

// catchUp takes what came live while the history was read, as far as nothing is
// missing in it. One page is then enough however fast events come.
func (f *feed) catchUp() {
	if f.heard.Epoch != f.at.Epoch {
		return
	}
	before := f.at.Offset
	for _, m := range f.ahead {
		if m.offset == f.at.Offset+1 && !f.full() {
			f.push(m)
		}
	}
	f.ahead = slices.DeleteFunc(f.ahead, func(m message) bool { return m.offset <= f.at.Offset })
	if f.at.Offset > before {
		f.signal()
	}
}

func (f *feed) push(m message) {
	f.queue = append(f.queue, realtime.Delivery{Offset: m.offset, Event: m.event})
	f.at.Offset, f.id = m.offset, m.event.ID
}

// reconnected notes that messages may have been lost, and more than that: what
// was accepted may have died with the server, and what was heard as well. It
// reports whether the history has to be read.
func (f *feed) reconnected() (ask bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubts++
	f.suspect = f.suspect || f.open
	f.heard, f.ahead, f.promised = realtime.Position{}, nil, realtime.Position{}
	ask = f.want(readLink)
	f.why = readLink
	return ask
}

func (f *feed) question() question {
	f.mu.Lock()
	defer f.mu.Unlock()
	return question{at: f.at, id: f.id, doubt: f.doubts, first: !f.open, why: f.why}
}

// look compares the feed with where Redis stands; q is from before Redis was
// asked. It reports whether the history has to be read: what Redis had at the
// look before has had time to come, and else it was lost.
func (f *feed) look(q question, p page) (ask bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed || !f.open || f.doubts != f.settled || q.at.Epoch != f.at.Epoch:
		return false // closed, or the history is about to be read
	case p.epoch != q.at.Epoch || p.top < q.at.Offset || p.top == q.at.Offset && p.topID != q.id:
		return f.want(readStory)
	}
	late := f.promised.Epoch == f.at.Epoch && f.at.Offset < f.promised.Offset
	f.promised = realtime.Position{Epoch: p.epoch, Offset: p.top}
	return late && f.want(readTail)
}

// merge takes what the history said to q.
func (f *feed) merge(q question, p page) (a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.asked = a.again || a.renew }()
	switch {
	case f.closed:
		return answer{}
	case !f.open:
		f.open = true
		f.at, f.id = realtime.Position{Epoch: p.epoch, Offset: p.top}, p.topID
		f.start = f.at
		close(f.begun)
		return f.settle(q)
	case q.first || q.at.Epoch != f.at.Epoch:
		return answer{again: true} // a page from before a reset or the opening
	case p.epoch != f.at.Epoch:
		f.reset(p)
		return f.settle(q)
	}
	switch p.continues(q) {
	case otherStory:
		return answer{renew: true}
	case tooOld:
		if q.at.Offset < f.at.Offset {
			return answer{again: true} // another page was faster than this one
		}
		f.reset(p)
		return f.settle(q)
	}
	before := f.at.Offset
	for _, m := range p.events {
		if m.offset == f.at.Offset+1 && !f.full() {
			f.push(m)
		}
	}
	a.repaired = int(f.at.Offset - before)
	if a.repaired > 0 {
		f.signal()
	}
	if f.at.Offset < p.top {
		// More than one page, or no room: Take asks again in that case.
		a.again, f.why = !f.full(), readPage
		return a
	}
	settled := f.settle(q)
	a.again = settled.again
	return a
}

// settle believes live messages again, if nothing has happened since q.
func (f *feed) settle(q question) (a answer) {
	if q.doubt != f.doubts {
		return answer{again: true}
	}
	f.catchUp()
	if f.heard.Epoch == f.at.Epoch && f.heard.Offset > f.at.Offset {
		f.why = readGap
		return answer{again: !f.full()}
	}
	other := f.heard.Epoch != "" && f.heard.Epoch != f.at.Epoch
	f.heard, f.ahead = realtime.Position{}, nil
	if other { // the page is older than what was heard meanwhile, or newer: ask which
		f.why = readStory
		return answer{again: true}
	}
	f.settled = f.doubts
	if f.suspect {
		f.suspect = false
		f.queue = append(f.queue, realtime.Delivery{News: realtime.NewsDoubt})
		f.signal()
	}
	return answer{}
}

// reset goes on from the top of p. The events that waited are in the snapshot
// that the room is going to read; the casts are nowhere else.
func (f *feed) reset(p page) {
	f.at, f.id = realtime.Position{Epoch: p.epoch, Offset: p.top}, p.topID
	f.queue = slices.DeleteFunc(f.queue, func(d realtime.Delivery) bool { return !isCast(d) })
	f.queue = append(f.queue, realtime.Delivery{News: realtime.NewsReset, Epoch: p.epoch, Offset: p.top})
	f.suspect = false
	f.signal()
}

type continuity uint8

const (
	sameStory continuity = iota
	otherStory
	tooOld
)

// continues compares a page of the same epoch with the place it was asked for.
func (p page) continues(q question) continuity {
	switch {
	case p.top < q.at.Offset:
		return otherStory
	case p.top == q.at.Offset:
		if p.topID != q.id {
			return otherStory
		}
		return sameStory
	case len(p.events) == 0:
		return tooOld
	}
	first := p.events[0]
	switch {
	case q.at.Offset == 0 && first.offset == 1:
		return sameStory
	case first.offset != q.at.Offset:
		return tooOld
	case first.event.ID != q.id:
		return otherStory
	}
	return sameStory
}
