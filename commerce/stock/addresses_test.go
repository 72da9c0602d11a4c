package stock

import (
	"fmt"
	"testing"
	"time"
)

func TestAddressesAreRemembered(t *testing.T) {
	a := addresses{lasts: time.Hour}
	if first, second := a.seen(0), a.seen(0); first || second {
		t.Error("nowhere has been here before")
	}
	here := sourceOf("here")
	if a.seen(here) {
		t.Error("known before it came")
	}
	// Until twice as many have come as a set holds, less the first set's share.
	wrong := 0
	for i := range filterHolds + filterHolds/2 {
		if a.seen(sourceOf(fmt.Sprint(i))) {
			wrong++
		}
	}
	if !a.seen(here) {
		t.Error("forgotten while there is room")
	}
	if most := filterHolds / 20; wrong > most {
		t.Errorf("%d of %d taken for others, at most %d", wrong, filterHolds+filterHolds/2, most)
	}
	for i := range 3 * filterHolds {
		a.seen(sourceOf(fmt.Sprint("later ", i)))
	}
	forgotten := 0
	for i := range 100 {
		if !a.seen(sourceOf(fmt.Sprint("0", i))) {
			forgotten++
		}
	}
	if forgotten < 80 {
		t.Errorf("of a hundred that never came %d are new", forgotten)
	}
}

func TestAddressesAreForgottenInTime(t *testing.T) {
	a := addresses{lasts: time.Nanosecond}
	here := sourceOf("here")
	for range 100 {
		a.seen(sourceOf("there"))
		time.Sleep(time.Microsecond)
	}
	if a.seen(here) {
		t.Error("known before it came")
	}
	for range 2 { // one set is kept beside the present one
		time.Sleep(time.Microsecond)
		a.seen(sourceOf("there"))
	}
	if a.seen(here) {
		t.Error("remembered for longer than twice its time")
	}
}

// The first hold of an address is not written down under it, later ones are.
func TestTheFirstHoldOfAnAddressCostsNoIndex(t *testing.T) {
	onEachStore(t, func(t *testing.T, w *world) {
		s, l := w.service(), w.supply(10, 0)
		for i := range 3 {
			tap := tapOf(l, fmt.Sprint("gst_", i))
			tap.Source = "here"
			w.hold(s, tap)
		}
		var known int
		if err := w.db.QueryRow(t.Context(), `select count(source) from hold where pool = $1`, l.Pool).Scan(&known); err != nil || known != 2 {
			t.Errorf("%d of 3 holds are known by their address: %v", known, err)
		}
	})
}
