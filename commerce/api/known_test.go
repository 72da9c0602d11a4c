package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/api"
)

// Whoever was signed out taps under their account no longer, a second later at the latest, and Postgres is not asked for
// each tap of somebody who is signed in.
func TestTapsOfWhoeverSignsOut(t *testing.T) {
	w := newShop(t, 100)
	vic, subject := w.signUp("vic", "viewer")
	cookie := vic.cookie(api.SessionCookie)
	tapper := func() (buyer string) {
		stale := w.browser()
		stale.header.Set("Cookie", cookie.Name+"="+cookie.Value)
		hold := newHold()
		stale.want(201, "", "PUT", "/holds/"+hold, w.hold(1))
		if err := w.pool.QueryRow(t.Context(), `select buyer from hold where id = substr($1, 5)::uuid`, hold).Scan(&buyer); err != nil {
			t.Fatal(err)
		}
		return buyer
	}
	if got := tapper(); got != subject {
		t.Fatalf("vic taps as %s, is %s", got, subject)
	}
	vic.want(http.StatusNoContent, "", "DELETE", "/sessions", nil)
	over := time.NewTimer(time.Second)
	defer over.Stop()
	<-over.C
	if got := tapper(); got == subject {
		t.Error("signed out a second ago, and still taps as vic")
	}
}

// What is remembered is bounded.
func TestKnownSessionsAreBounded(t *testing.T) {
	if most, after := api.FillKnown(); most > api.MaxKnown || after != 1 {
		t.Errorf("at most %d are remembered, then %d", most, after)
	}
}
