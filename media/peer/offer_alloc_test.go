//go:build !race

package peer

import "testing"

func TestAllocOfALeanOffer(t *testing.T) {
	raw := []byte(chromiumOffer)
	const most = 24
	n := testing.AllocsPerRun(100, func() {
		o, err := parseOffer(raw, receives)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := o.lean(); !ok {
			t.Fatal("declined")
		}
	})
	if n > most {
		t.Errorf("%v allocations, at most %d", n, most)
	}
}
