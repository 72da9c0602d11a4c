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
		list, recent []byte
		after        time.Duration
		same         bool
	}{
		"within its time":    {at, list, recent, greetingLasts - 1, true},
		"past its time":      {at, list, recent, greetingLasts, false},
		"a clock set back":   {at, list, recent, -time.Hour, false},
		"another list":       {at, []byte(`[]`), recent, 0, false},
		"something was said": {at, list, []byte(`[1]`), 0, false},
		"another place":      {Position{"e", 7 + maxGreetings}, list, recent, 0, false},
		"another epoch":      {Position{"f", 7}, list, recent, 0, false},
	} {
		var g greetings
		first := g.of(at, list, recent, now)
		if same := g.of(c.at, c.list, c.recent, now.Add(c.after)) == first; same != c.same {
			t.Errorf("%s: the same message: %v", name, same)
		}
	}
	first := new(greetings).of(at, list, recent, now)
	if got, want := string(first.text), string(joinedText(at, 1000, true, list, recent)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
