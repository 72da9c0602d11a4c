package bus

import (
	"testing"

	"github.com/rialto-live/rialto/realtime"
)

// standing is a feed at offset 1 of epoch e.
func standing() *feed {
	f := newFeed("r", sizes{waiting: 10, casts: 2, ahead: 3}, func(*feed) {}, func(*feed) {})
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
	// The question that the page was asked again for is still to come.
	if ask := f.hear("e", numbered(2, "of another story")); ask || len(f.Take()) != 0 {
		t.Fatal("a message was believed, or asked for twice")
	}
	if a := f.merge(f.question(), page{epoch: "e", top: 1, topID: "another"}); !a.renew {
		t.Fatalf("answer %+v, want another story", a)
	}
}

// TestHeardBeforeTheLineBroke: what was heard on an old connection is not
// waited for on the new one: it may have died with the server.
func TestHeardBeforeTheLineBroke(t *testing.T) {
	f := standing()
	f.hear("e", numbered(3, "id3"))
	if f.reconnected() {
		t.Fatal("one question is under way, and another is asked")
	}
	two := page{epoch: "e", top: 2, topID: "id2", events: []message{numbered(1, "id1"), numbered(2, "id2")}}
	if a := f.merge(f.question(), two); a.again || f.doubts != f.settled {
		t.Fatalf("answer %+v: the feed waits for what is gone", a)
	}
	if got := f.Take(); len(got) != 2 || got[0].Offset != 2 || got[1].News != realtime.NewsDoubt {
		t.Fatalf("got %+v", got)
	}
}

// TestOnePageForAGap: what comes live while the history is read needs no other
// page, however much it is up to the limit.
func TestOnePageForAGap(t *testing.T) {
	for extra, enough := range map[int64]bool{0: true, 3: true, 4: false} {
		f := standing()
		if extra > 0 && !f.hear("e", numbered(3, "id3")) {
			t.Fatal("a gap was not seen")
		}
		q := f.question()
		for n := int64(1); n < extra; n++ {
			if f.hear("e", numbered(3+n, "more")) {
				t.Fatal("a page that is being read was asked for again")
			}
		}
		two := page{epoch: "e", top: 2, topID: "id2", events: []message{numbered(1, "id1"), numbered(2, "id2")}}
		if a := f.merge(q, two); a.again == enough || a.repaired != 1 {
			t.Errorf("%d came meanwhile: answer %+v", extra, a)
		}
		if got := f.Take(); int64(len(got)) != 1+min(extra, 3) {
			t.Errorf("%d came meanwhile: %+v was taken", extra, got)
		}
	}
}

// TestLook: what Redis had at one look and the feed has not at the next was
// lost; what it has only just got may be on its way.
func TestLook(t *testing.T) {
	f := standing()
	look := func(p page) bool { return f.look(f.question(), p) }
	one := page{epoch: "e", top: 1, topID: "id1"}
	two := page{epoch: "e", top: 2, topID: "id2"}
	for _, p := range []page{one, one, two} {
		if look(p) {
			t.Fatal("a feed asks for what may be on its way")
		}
	}
	q := f.question()
	f.hear("e", numbered(2, "id2"))
	if f.look(q, two) || look(two) || look(page{epoch: "e", top: 3, topID: "id3"}) {
		t.Fatal("a feed asks for what it has, or for what may be on its way")
	}
	if !look(page{epoch: "e", top: 3, topID: "id3"}) {
		t.Fatal("the end of the history is missing, and nobody asks")
	}
	if q := f.question(); q.why != readTail || look(page{epoch: "e", top: 4, topID: "id4"}) {
		t.Fatalf("asked for %s, and again", q.why)
	}
	f.merge(f.question(), page{epoch: "e", top: 3, topID: "id3", events: []message{numbered(2, "id2"), numbered(3, "id3")}})
	if got := f.Take(); len(got) != 2 || got[1].Offset != 3 {
		t.Fatalf("got %+v", got)
	}
	for name, p := range map[string]page{
		"emptied": {}, "another": {epoch: "f", top: 3, topID: "id3"}, "back in time": {epoch: "e", top: 2, topID: "id2"}, "another end": {epoch: "e", top: 3, topID: "x"},
	} {
		f := standing()
		f.hear("e", numbered(2, "id2"))
		f.hear("e", numbered(3, "id3"))
		if !f.look(f.question(), p) || f.question().why != readStory {
			t.Errorf("%s: nobody asks", name)
		}
	}
	if 2*defaultCheckEvery >= TailWithin {
		t.Fatal("two looks take longer than TailWithin says")
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
	f.hear("e", numbered(5, "id5")) // and 4 is lost
	two := page{epoch: "e", top: 2, topID: "id2", events: []message{numbered(1, "id1"), numbered(2, "id2")}}
	if a := f.merge(q, two); !a.again || a.repaired != 1 {
		t.Fatalf("answer %+v, want to ask again", a)
	}
	if q := f.question(); q.at.Offset != 3 || q.why != readGap {
		t.Fatalf("question %+v, want what follows 3", q)
	}
	five := page{epoch: "e", top: 5, topID: "id5", events: []message{numbered(3, "id3"), numbered(4, "id4"), numbered(5, "id5")}}
	if a := f.merge(f.question(), five); a.again || a.repaired != 2 {
		t.Fatalf("answer %+v, want peace", a)
	}
	if f.hear("e", numbered(6, "id6")) || len(f.Take()) != 5 {
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
