package payment

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func receive(t *testing.T, db *pgxpool.Pool, n Notice) {
	t.Helper()
	if fresh, err := Receive(t.Context(), db, "sandbox", n); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
}

func claim(t *testing.T, db *pgxpool.Pool, want int) []Event {
	t.Helper()
	events, err := Claim(t.Context(), db, "sandbox", 100)
	if err != nil || len(events) != want {
		t.Fatalf("%d claimed, want %d, %v", len(events), want, err)
	}
	return events
}

// Many nodes drain one inbox: each event goes to one of them.
func TestEachEventIsClaimedOnce(t *testing.T) {
	db := schematest.Pool(t)
	const all = 60
	for n := range all {
		receive(t, db, Notice{ID: fmt.Sprint(n), Reference: "x"})
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() {
			for {
				events, err := Claim(t.Context(), db, "sandbox", 7)
				if err != nil {
					t.Error(err)
				}
				if len(events) == 0 {
					return
				}
				mu.Lock()
				for _, e := range events {
					seen[e.ID]++
				}
				mu.Unlock()
			}
		})
	}
	nodes.Wait()
	claim(t, db, 0)
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
	if len(seen) != all {
		t.Errorf("%d of %d", len(seen), all)
	}
}

// A node that dies with a claim loses it when the lease is over; when it was only slow, it can close nothing any more.
func TestAClaimIsTakenOver(t *testing.T) {
	db := schematest.Pool(t)
	receive(t, db, Notice{ID: "evt_1", Reference: "x"})
	if other, err := Claim(t.Context(), db, "other", 100); err != nil || len(other) != 0 {
		t.Fatalf("somebody else's: %v %v", other, err)
	}
	slow := claim(t, db, 1)[0]
	claim(t, db, 0)
	exec(t, db, `update payment_event set next_at = now()`)
	second := claim(t, db, 1)[0]
	if second.Attempts != 2 {
		t.Fatalf("%+v", second)
	}
	if err := errors.Join(slow.Done(t.Context(), db, "slow"), slow.Again(t.Context(), db, 0)); err != nil {
		t.Fatal(err)
	}
	claim(t, db, 0)
	if err := second.Again(t.Context(), db, 0); err != nil {
		t.Fatal(err)
	}
	third := claim(t, db, 1)[0]
	if err := third.Done(t.Context(), db, "third"); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `update payment_event set next_at = now()`)
	claim(t, db, 0)
	// What is done with stays known, so that its repetition is nothing.
	if fresh, err := Receive(t.Context(), db, "sandbox", Notice{ID: "evt_1", Reference: "x"}); err != nil || fresh {
		t.Fatal(fresh, err)
	}
}

func TestWhomAnEventIsAbout(t *testing.T) {
	db := schematest.Pool(t)
	p := intent(t, db)
	exec(t, db, `update payment set charge = 'ch_1'`)
	for name, test := range map[string]struct {
		event Event
		found bool
	}{
		"by its reference":             {Event{Provider: "sandbox", Notice: Notice{Reference: p.Reference()}}, true},
		"by its charge":                {Event{Provider: "sandbox", Notice: Notice{Charge: "ch_1"}}, true},
		"both":                         {Event{Provider: "sandbox", Notice: Notice{Reference: p.Reference(), Charge: "ch_2"}}, true},
		"another company's":            {Event{Provider: "other", Notice: Notice{Reference: p.Reference()}}, false},
		"another company's charge":     {Event{Provider: "other", Notice: Notice{Charge: "ch_1"}}, false},
		"another shop's, with our id":  {Event{Provider: "sandbox", Notice: Notice{Reference: "their-1", Charge: "ch_1"}}, false},
		"a payment that nobody knows":  {Event{Provider: "sandbox", Notice: Notice{Reference: "pay_" + fmt.Sprintf("%032x", 7)}}, false},
		"a charge that nobody knows":   {Event{Provider: "sandbox", Notice: Notice{Charge: "ch_2"}}, false},
		"a reference of another kind":  {Event{Provider: "sandbox", Notice: Notice{Reference: p.Order.String()}}, false},
		"nothing that could be looked": {Event{Provider: "sandbox"}, false},
	} {
		got, err := OfEvent(t.Context(), db, test.event)
		if test.found != (err == nil) || test.found && got.ID != p.ID || !test.found && !errors.Is(err, ErrUnknownPayment) {
			t.Errorf("%s: %v %v", name, got.ID, err)
		}
	}
}

func TestOldEventsAreSwept(t *testing.T) {
	db := schematest.Pool(t)
	exec(t, db, `
		insert into payment_event (provider, id, kind, reference, charge, received_at)
		select 'sandbox', n::text, '', '', '', now() - case when n > 3 then interval '31 days' else interval '29 days' end from generate_series(1, $1) n`, sweepBatch+4)
	deleted, err := SweepEvents(t.Context(), db)
	if err != nil || deleted != sweepBatch+1 {
		t.Fatal(deleted, err)
	}
	claim(t, db, 3)
}
