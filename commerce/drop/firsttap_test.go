package drop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
)

const (
	// soldWithin is the promise: the first accepted tap at a start comes so soon after it.
	soldWithin = 20 * time.Millisecond
	// rushBefore is how long before a start everybody has begun to tap, each so often.
	rushBefore = 150 * time.Millisecond
	rushEvery  = 5 * time.Millisecond
)

// Everybody taps around T, at two nodes of which one is two seconds ahead and one two seconds behind. The first tap that is
// accepted is accepted within 20 ms after T, and none before, by Postgres' clock. The machine of this test may be busy with
// others for longer than that, so the best of a few rounds counts; whoever broke the promise by design (by a node's clock, or by
// looking now and then whether it is time) would break it in each. None before is for every tap of every round.
func TestFirstTapWithin20msAfterT(t *testing.T) {
	const rounds = 8
	s := newStage(t, 1)
	url := embeddedtest.Redis(t)
	nodes := []*site{s.site(url, 2*time.Second), s.site(url, -2*time.Second)}
	var late []time.Duration
	for round := range rounds {
		after := s.firstTap(nodes, round)
		t.Logf("the first tap was accepted %v after T", after)
		if late = append(late, after); after <= soldWithin {
			return
		}
	}
	t.Errorf("the first tap was accepted only %v after T, at most %v", slices.Min(late), soldWithin)
}

// firstTap releases a new variant and answers how long after its start the first of its holds was made.
func (s *stage) firstTap(nodes []*site, round int) (after time.Duration) {
	s.Helper()
	const buyers, units = 8, 3
	s.variant = s.put(units)
	at := s.clock(4 * rushBefore)
	_, pools, err := s.drop(newID(), &at)
	s.must(err)
	nodes[0].sale.Changed(s.Context(), pools...)
	s.past(at.Add(-rushBefore))
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		heard = map[string]int{}
	)
	for i := range buyers {
		group.Go(func() {
			code, err := nodes[i%len(nodes)].rush(s.show, s.variant, fmt.Sprintf("127.1.%d.%d", round+2, i+1))
			mu.Lock()
			defer mu.Unlock()
			if heard[code]++; err != nil {
				s.Errorf("buyer %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if heard["held"] != units || heard["sold_out"] != buyers-units {
		s.Errorf("%d buyers of %d units heard %v", buyers, units, heard)
	}
	var first, opens time.Time
	s.must(s.db.QueryRow(s.Context(), `select min(h.created_at), min(p.opens_at) from hold h join pool p on p.id = h.pool where p.variant = $1 and h.state = 'held'`,
		s.variant).Scan(&first, &opens))
	if !opens.Equal(at) || first.Before(opens) {
		s.Fatalf("a tap was accepted %v before T", opens.Sub(first))
	}
	return first.Sub(opens)
}

// rush taps with a new hold each time until it is not too early any more, and answers what was heard then.
func (n *site) rush(show commerce.ShowID, variant commerce.VariantID, address string) (code string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := http.Client{Jar: jar, Transport: n.web.Client().Transport}
	body, err := json.Marshal(map[string]any{"show": show, "variant": variant, "quantity": 1})
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(rushEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		status, code, err := put(browser, n.web.URL+api.Base+"/holds/"+commerce.NewID[commerce.HoldID]().String(), address, body)
		switch {
		case err != nil:
			return "", err
		case status == http.StatusCreated:
			return "held", nil
		case code == "not_open", status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		default:
			return code, nil
		}
		if time.Now().After(deadline) {
			return code, fmt.Errorf("still told %s", code)
		}
	}
}
