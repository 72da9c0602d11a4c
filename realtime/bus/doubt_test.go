package bus

import (
	"testing"

	"github.com/rialto-live/rialto/realtime"
)

// standing is a feed at offset 1 of epoch e.
func standing() *feed {
	f := newFeed("r", sizes{waiting: 10, casts: 2}, func(*feed) {}, func(*feed) {})
	f.merge(f.question(), page{epoch: "e", top: 1, topID: "id1"})
	return f
}

func numbered(offset int64, id string) message { return message{offset, realtime.Event{ID: id}} }

// TestLatePageSettlesNothing: a page that was read before the connection broke
// does not make what comes afterwards credible.
func TestLatePageSettlesNothing(t *testing.T) {
	f := standing()
	q := f.question()
	f.reconnected()
	if a := f.merge(q, page{epoch: "e", top: 1, topID: "id1"}); !a.again {
		t.Fatal("the feed is content")
	}
	if ask := f.hear("e", numbered(2, "of another story")); !ask || len(f.Take()) != 0 {
		t.Fatal("a message was believed")
	}
}

// TestHeardInDoubt: what was heard while the history was read, and is not in
// it, is asked for at once and not at the next check.
func TestHeardInDoubt(t *testing.T) {
	f := standing()
	if !f.hear("e", numbered(3, "id3")) {
		t.Fatal("a gap was not seen")
	}
	q := f.question()
	two := page{epoch: "e", top: 2, topID: "id2", events: []message{numbered(1, "id1"), numbered(2, "id2")}}
	if a := f.merge(q, two); !a.again || a.repaired != 1 {
		t.Fatalf("answer %+v, want to ask again", a)
	}
	three := page{epoch: "e", top: 3, topID: "id3", events: []message{numbered(2, "id2"), numbered(3, "id3")}}
	if a := f.merge(f.question(), three); a.again || a.repaired != 1 {
		t.Fatalf("answer %+v, want peace", a)
	}
	if f.hear("e", numbered(4, "id4")) || len(f.Take()) != 3 {
		t.Fatal("after the repair a message was not believed")
	}
}

// TestCastSettlesNothing: a cast comes in doubt too, and neither raises a
// doubt nor lays one; what waits is not lost with a reset.
func TestCastSettlesNothing(t *testing.T) {
	f := standing()
	f.cast(realtime.Event{Type: "hearts"})
	if got := f.Take(); len(got) != 1 || got[0].Offset != 0 || f.question().doubt != f.settled {
		t.Fatalf("got %+v, %d doubts, %d settled", got, f.doubts, f.settled)
	}
	f.hear("e", numbered(3, "id3"))
	before := f.question()
	f.cast(realtime.Event{Type: "chat.line"})
	if q := f.question(); q != before || f.settled == f.doubts {
		t.Fatalf("%+v became %+v", before, q)
	}
	f.merge(f.question(), page{epoch: "other", top: 9, topID: "id9"})
	got := f.Take()
	if len(got) != 2 || got[0].Event.Type != "chat.line" || got[1].News != realtime.NewsReset {
		t.Fatalf("got %+v, want the cast and then the reset", got)
	}
	f.Close()
	if f.cast(realtime.Event{}); len(f.Take()) != 0 {
		t.Fatal("a closed feed took a cast")
	}
}
