package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/realtime"
)

// taps is a tap on Buy in the room of the thing's show.
func (v *voice) taps(pan ware, id string) (state string, refused *realtime.CallError) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	raw, err := v.Call(ctx, api.CallHold, map[string]any{"hold": id, "variant": pan.variant, "quantity": 1, "unit": 4900})
	var hold struct{ ID, State string }
	switch {
	case errors.As(err, &refused):
		return "", refused
	case err != nil:
		v.t.Error(err)
	case json.Unmarshal(raw, &hold) != nil || hold.ID != id:
		v.t.Errorf("answered with %s", raw)
	}
	return hold.State, nil
}

// Two people tap in a room, on a node each, for the last unit: one has it and pays for it, the other hears that it is gone.
func TestTwoBuyersTapBySocketForOneUnit(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 1)
	page := a.guest().join(pan.show)
	buyers, ids := []*person{a.guest(), b.guest()}, []string{newHold(), newHold()}
	states, refusals := make([]string, 2), make([]*realtime.CallError, 2)
	var both sync.WaitGroup
	for i, p := range buyers {
		v := p.speak(pan.show, i == 1) // one of them has no cookies there
		both.Go(func() { states[i], refusals[i] = v.taps(pan, ids[i]) })
	}
	both.Wait()
	won, lost := 0, 1
	if states[1] != "" {
		won, lost = 1, 0
	}
	if states[won] != "held" || refusals[lost] == nil || refusals[lost].Code != "sold_out" || string(refusals[lost].Data) != `{"left":0,"status":409}` {
		t.Fatalf("%q %+v", states, refusals)
	}
	page.left(pan.variant, 0)
	// What came over the socket is the same person's over HTTP, and the same hold.
	body := pan.tap(1)
	body["unit"] = 4900
	buyers[won].want(http.StatusOK, "", http.MethodPut, "/holds/"+ids[won], body)
	buyers[lost].want(http.StatusNotFound, "hold_unknown", http.MethodGet, "/holds/"+ids[won], nil)
	order := orderPath()
	buyers[won].want(http.StatusCreated, "", http.MethodPut, order, paying(ids[won], cardGood))
	buyers[won].captured(order)
	page.orderly()
	a.market.clean(b)
}

// slowly holds a pool's row while something is done, once a tap waits for it.
func (m *market) slowly(pan ware, tap, then func()) {
	m.t.Helper()
	tx, err := m.db.Begin(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(m.t.Context()); err != nil {
			m.t.Fatal(err)
		}
	}()
	if _, err := tx.Exec(m.t.Context(), `select 1 from pool where variant = $1::uuid for update`, pan.variant[len("var_"):]); err != nil {
		m.t.Fatal(err)
	}
	tap()
	eventually(m.t, "the tap waits for Postgres", func() bool {
		return m.count(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) > 0
	})
	then()
}

func (s *seat) taps(pan ware, id string) {
	s.t.Helper()
	call := map[string]any{"t": "call", "id": "tap", "call": api.CallHold, "d": map[string]any{"hold": id, "variant": pan.variant, "quantity": 1}}
	if err := s.conn.WriteJSON(call); err != nil {
		s.t.Fatal(err)
	}
}

// A tap outlives its socket: who asks again with the same id has one hold.
func TestASocketThatEndsInTheMiddleOfATap(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 2)
	n.guest().hold(pan, 1) // from here on a tap waits for the row, and no other work
	vic, id := n.guest(), newHold()
	page := vic.join(pan.show)
	n.market.slowly(pan, func() { page.taps(pan, id) }, func() {
		_ = page.conn.Close()
		<-page.done
	})
	if r, err := vic.insist(http.MethodPut, "/holds/"+id, pan.tap(1)); err != nil || !r.ok() || r.text("state") != "held" {
		t.Errorf("asked again: %s %v", r, err)
	}
	if got := n.market.count(`select count(*) from hold where state = 'held'`); got != 2 {
		t.Errorf("%d holds, want 2", got)
	}
	n.market.clean(n)
}

// Who is banned in the middle of a tap is out of the room, and holds nothing.
func TestWhoIsBannedInTheMiddleOfATapHoldsNothing(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 2)
	n.guest().hold(pan, 1)
	vic, id := n.guest(), newHold()
	page := vic.join(pan.show)
	n.market.slowly(pan, func() { page.taps(pan, id) }, func() {
		mara.want(http.StatusOK, "", http.MethodPut, "/shows/"+pan.show+"/bans/"+vic.subject, map[string]any{"reason": "rude"})
		within(t, revokedWithin, "the banned page is closed", func() bool {
			return realtime.Code(page.ended()) == realtime.CodeForbidden
		})
	})
	// The claim asks about bans when it has the row, which is after this one.
	eventually(t, "the tap is refused", func() bool {
		return n.market.count(`select count(*) from hold where state = 'void'`) == 1
	})
	vic.want(http.StatusForbidden, "banned", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
	n.guest().hold(pan, 1)
	n.market.clean(n)
}
