package lean

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"pgregory.net/rapid"
)

// story is what happens to one agent, in random order.
type story struct {
	*rapid.T
	client browser
	agent  *agent
	own    []Credentials // of all generations
	sent   []*stun.Message
	now    time.Duration
	since  time.Duration // of the last move
	been   []path        // where media went in this generation
}

func (s *story) path(label string) path {
	return pathOf(rapid.SampledFrom([]string{"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "a", "b"}).Draw(s.T, label))
}

func (s *story) event() {
	s.now += time.Duration(rapid.IntRange(0, 900).Draw(s.T, "ms")) * time.Millisecond
	a := s.agent
	before := snapshot(a)
	switch kind := rapid.IntRange(0, 11).Draw(s.T, "event"); kind {
	case 0, 1, 2, 3, 4: // a check of any generation
		own := s.own[len(s.own)-1-rapid.IntRange(0, min(2, len(s.own)-1)).Draw(s.T, "generation")]
		details := []detail{priority(uint32(rapid.IntRange(0, 3).Draw(s.T, "priority")))}
		if kind < 3 {
			details = append(details, use)
		}
		m := s.client.check(own, details...)
		s.sent = append(s.sent, m)
		living := slices.Contains(a.generations(), own.UFrag)
		if ok := a.request(m, s.path("from"), s.now, new(stun.Message)); ok != living {
			s.Fatalf("a generation that lives (%v) answers (%v)", living, ok)
		}
	case 5, 6, 7:
		a.heard(s.path("from"), s.now)
	case 8: // an old one, from anywhere
		if len(s.sent) > 0 {
			a.request(s.sent[rapid.IntRange(0, len(s.sent)-1).Draw(s.T, "old")], s.path("from"), s.now, new(stun.Message))
		}
	case 9:
		forged := s.client.check(Credentials{UFrag: a.own().UFrag, Pwd: "guess"}, use, priority(1<<31))
		if a.request(forged, s.path("from"), s.now, new(stun.Message)) || !reflect.DeepEqual(before, a) {
			s.Fatal("a forged check is answered or leaves a trace")
		}
	case 10:
		if rapid.IntRange(0, 3).Draw(s.T, "restart") == 0 {
			s.own = append(s.own, a.restart(s.client.Credentials()))
		}
	case 11:
		a.leaving(s.now)
	}
	s.verify(before)
}

// verify checks that media did not move for too little: it goes back to a path after reportHold, unless that one was never
// nominated before, the other one is silent, or a generation begins.
func (s *story) verify(before *agent) {
	verifyInvariants(s.T, s.agent)
	s.been = slices.DeleteFunc(s.been, func(p path) bool { return !slices.Contains(s.agent.paths(), p) }) // comes back as a new one
	from, had := before.path()
	to, has := s.agent.path()
	was := before.find(to)
	switch {
	case had && !has:
		s.Fatal("media has nowhere to go any more")
	case from == to && had == has:
		return
	case had && s.agent.settled == before.settled && slices.Contains(s.been, to) &&
		was.nominated && was.generation == s.agent.find(to).generation && s.now-before.current.seen <= silentFor && s.now-s.since < reportHold:
		s.Fatalf("media goes back to %v after %v", to, s.now-s.since)
	case s.agent.settled && !before.settled:
		s.been = nil
	}
	s.since = s.now
	s.been = append(s.been, to)
}

// TestChoiceKeepsItsPromises: whatever happened, in whatever order, media never flaps, and three reports over a path bring
// it there, which is what a client that is well and has chosen sends.
func TestChoiceKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := browser{"remote"}
		a := newAgent(c.Credentials())
		s := &story{T: t, client: c, agent: a, own: []Credentials{a.own()}}
		for range rapid.IntRange(1, 80).Draw(t, "events") {
			s.event()
		}
		if _, ok := a.path(); !ok {
			return
		}
		home := rapid.SampledFrom(a.paths()).Draw(t, "home")
		for range 3 {
			s.now += time.Second
			a.heard(home, s.now)
		}
		if p, _ := a.path(); p != home {
			t.Fatalf("media goes to %v, and the client is at %v", p, home)
		}
	})
}
