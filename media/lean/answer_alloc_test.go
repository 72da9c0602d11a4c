//go:build !race

package lean

import "testing"

func TestAllocOfAnAnswerIsItsText(t *testing.T) {
	a, o := testAnswer(true), twoTracks()
	if n := testing.AllocsPerRun(100, func() { a.write(o, own, ids) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
