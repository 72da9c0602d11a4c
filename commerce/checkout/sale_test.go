package checkout

import (
	"testing"

	"github.com/rialto-live/rialto/commerce"
)

// Whose a show is is read once, also when there are too many to remember; one that is not there is nobody's, and asked about again.
func TestWhoseAShowIsIsReadOnce(t *testing.T) {
	w := newWorld(t, 1)
	var c creators
	gone := commerce.NewID[commerce.ShowID]()
	for _, shows := range []map[commerce.ShowID]bool{{w.show: true, gone: true}, {w.show: true}} {
		found, err := c.of(t.Context(), w.db, shows)
		if err != nil || len(found) != 1 || found[w.show] != w.creator.ID {
			t.Fatalf("%v, %v", found, err)
		}
	}
	if found, err := c.of(t.Context(), nil, map[commerce.ShowID]bool{w.show: true}); err != nil || found[w.show] != w.creator.ID {
		t.Fatalf("%v, %v", found, err) // nobody was asked
	}
	delete(c.known, w.show)
	for len(c.known) < maxCreators {
		c.known[commerce.NewID[commerce.ShowID]()] = w.creator.ID
	}
	if _, err := c.of(t.Context(), w.db, map[commerce.ShowID]bool{w.show: true}); err != nil || len(c.known) != 1 {
		t.Fatalf("%d are remembered, %v", len(c.known), err)
	}
}
