package realtime

import (
	"testing"
	"time"
)

// TestGreetingsAreShared: who comes to the same place in the same moment is
// given the same bytes; another moment, place or state makes others.
func TestGreetingsAreShared(t *testing.T) {
	at, now := Position{"e", 7}, time.UnixMilli(1000)
	list, recent := []byte(`[]`), []byte(`[1]`)
	for name, c := range map[string]struct {
		at           Position
		resumed      bool
		list, recent []byte
		after        time.Duration
		same         bool
	}{
		"within its time":    {at, true, list, recent, greetingLasts - 1, true},
		"past its time":      {at, true, list, recent, greetingLasts, false},
		"a clock set back":   {at, true, list, recent, -time.Hour, false},
		"a snapshot":         {at, false, list, recent, 0, false},
		"another list":       {at, true, []byte(`[]`), recent, 0, false},
		"something was said": {at, true, list, []byte(`[1]`), 0, false},
		"another place":      {Position{"e", 7 + maxGreetings}, true, list, recent, 0, false},
		"another epoch":      {Position{"f", 7}, true, list, recent, 0, false},
	} {
		var g greetings
		first := g.of(at, true, list, recent, now)
		if same := g.of(c.at, c.resumed, c.list, c.recent, now.Add(c.after)) == first; same != c.same {
			t.Errorf("%s: the same message: %v", name, same)
		}
	}
	first := new(greetings).of(at, true, list, recent, now)
	if got, want := string(first.text), string(joinedText(at, 1000, true, list, recent)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
