package bus

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/realtime"
)

// TestFeedAgainstModel plays a Redis that loses messages, connections, all its
// memory and the end of its memory, to a feed whose questions are answered
// late, with casts in between. However it goes, the feed ends where Redis is,
// and never gives an event out of its place; casts come in their order, and
// none is lost while there is room for it.
func TestFeedAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		steps := rapid.IntRange(1, 80).Draw(t, "steps")
		for range steps {
			m.step(rapid.IntRange(0, 99).Draw(t, "step"))
		}
		m.finish()
	})
}

// model is Redis, its network and the room behind the feed.
type model struct {
	t       *rapid.T
	feed    *feed
	epoch   string
	events  []realtime.Event // of the epoch; the first has offset 1
	kept    int              // of them, at the end
	flight  []func()         // messages on their way, in order
	asked   bool
	pending *question // asked, and read with this page
	page    page
	made    int

	cast, heard, lost int64 // numbers of the newest cast and of the newest the room got; how many had no room

	at   realtime.Position // of the room
	have map[int64]string  // ids the room got, by offset in its epoch
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, kept: 6, have: map[int64]string{}}
	m.feed = newFeed("r", sizes{waiting: 5, casts: 2, ahead: 3}, func(*feed) { m.asked = true }, func(*feed) {})
	m.fresh()
	m.feed.reconnected()
	q := m.feed.question()
	m.feed.merge(q, m.read(q))
	m.at = m.feed.start
	return m
}

func (m *model) fresh() { m.made++; m.epoch, m.events = fmt.Sprintf("e%d", m.made), nil }

func (m *model) read(q question) page {
	p := page{epoch: m.epoch, top: int64(len(m.events))}
	if p.top > 0 {
		p.topID = m.events[p.top-1].ID
	}
	oldest := max(1, p.top-int64(m.kept)+1)
	for o := max(oldest, q.at.Offset); o <= p.top && len(p.events) < 4; o++ {
		p.events = append(p.events, message{o, m.events[o-1]})
	}
	return p
}

func (m *model) step(n int) {
	switch {
	case n < 10:
		m.cast++
		if m.feed.cast(realtime.Event{Class: realtime.Sampled, Version: m.cast}) {
			m.lost++
		}
	case n < 45:
		m.publish()
	case n < 65 && len(m.flight) > 0:
		m.flight[0]()
		m.flight = m.flight[1:]
	case n < 70 && len(m.flight) > 0: // lost
		m.flight = m.flight[1:]
	case n < 78:
		m.answer()
	case n < 82:
		m.look()
	case n < 90:
		m.take()
	case n < 93: // the connection is made anew: what was on its way is gone
		m.flight = nil
		m.reconnect()
	case n < 96:
		m.fresh()
	default: // back in time, which cuts the connection
		m.events = m.events[:max(0, len(m.events)-2)]
		m.flight = nil
		m.reconnect()
	}
}

func (m *model) reconnect() { m.asked = m.feed.reconnected() || m.asked }

// look asks where Redis stands, in one step.
func (m *model) look() {
	q := m.feed.question()
	p := m.read(q)
	p.events = nil
	m.asked = m.feed.look(q, p) || m.asked
}

func (m *model) publish() {
	m.made++
	e := realtime.Event{ID: fmt.Sprintf("id%d", m.made), Version: int64(m.made)}
	m.events = append(m.events, e)
	epoch, msg := m.epoch, message{int64(len(m.events)), e}
	m.flight = append(m.flight, func() {
		if m.feed.hear(epoch, msg) {
			m.asked = true
		}
	})
}

// answer reads in one step and merges in a later one, so that pages are stale.
func (m *model) answer() {
	if m.pending == nil {
		if m.asked {
			m.asked = false
			q := m.feed.question()
			m.pending, m.page = &q, m.read(q)
		}
		return
	}
	q := *m.pending
	m.pending = nil
	a := m.feed.merge(q, m.page)
	if a.renew {
		if m.epoch == q.at.Epoch {
			m.fresh()
		}
		a = m.feed.merge(q, m.read(question{}))
	}
	m.asked = m.asked || a.again || a.renew
}

func (m *model) take() {
	for _, d := range m.feed.Take() {
		switch d.News {
		case realtime.NewsReset:
			m.at = realtime.Position{Epoch: d.Epoch, Offset: d.Offset}
			clear(m.have)
		case realtime.NewsNone:
			if d.Offset == 0 {
				m.hearCast(d.Event.Version)
				continue
			}
			if d.Offset != m.at.Offset+1 {
				m.t.Fatalf("offset %d behind %d", d.Offset, m.at.Offset)
			}
			m.at.Offset = d.Offset
			m.have[d.Offset] = d.Event.ID
		}
	}
}

func (m *model) hearCast(number int64) {
	if number <= m.heard {
		m.t.Fatalf("cast %d behind %d", number, m.heard)
	}
	m.lost -= number - m.heard - 1
	m.heard = number
}

// finish lets time pass: the feed looks where Redis stands, and nothing else
// happens. What was asked for is answered, and nobody asks in its place.
func (m *model) finish() {
	for range 200 {
		m.look()
		m.answer()
		m.take()
	}
	if m.at.Epoch != m.epoch || m.at.Offset != int64(len(m.events)) {
		m.t.Fatalf("the room is at %v, Redis at %s %d", m.at, m.epoch, len(m.events))
	}
	if m.lost != 0 || m.heard != m.cast {
		m.t.Fatalf("%d casts are missing, the newest heard is %d of %d", -m.lost, m.heard, m.cast)
	}
	for offset, id := range m.have {
		if want := m.events[offset-1].ID; id != want {
			m.t.Fatalf("offset %d is %s for the room and %s in Redis", offset, id, want)
		}
	}
}
