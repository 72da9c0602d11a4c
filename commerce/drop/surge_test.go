package drop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/payment/sandbox"
	"github.com/rialto-live/rialto/commerce/stock"
)

// site is a node as buyers see it, whose own clock is wrong.
type site struct {
	web    *httptest.Server
	client *redis.Client
	sale   *checkout.Service
}

func (s *stage) site(url string, wrong time.Duration) *site {
	s.Helper()
	options, err := redis.ParseURL(url)
	s.must(err)
	n := &site{client: redis.NewClient(options)}
	s.Cleanup(func() { _ = n.client.Close() })
	now := func() time.Time { return time.Now().Add(wrong) }
	log := slog.New(slog.DiscardHandler)
	stocks, err := stock.New(stock.Config{Pool: s.db, Redis: n.client, Log: log, Registerer: prometheus.NewRegistry()})
	s.must(err)
	s.background(stocks.Run)
	bank, err := sandbox.NewClient("http://127.0.0.1:9", "nobody pays in this test", "", 0)
	s.must(err)
	n.sale, err = checkout.New(checkout.Config{
		Pool: s.db, Stock: stocks, Provider: bank, Vault: bank, Name: sandbox.Name, Log: log, Registerer: prometheus.NewRegistry(), Kick: func(...string) {},
	})
	s.must(err)
	signer, err := guard.NewSigner(now, strings.Repeat("s", guard.MinSecret))
	s.must(err)
	limiter, err := guard.NewLimiter(n.client, log, prometheus.NewRegistry(), now)
	s.must(err)
	a, err := api.New(api.Config{
		Pool: s.db, Log: log, Now: now, Registerer: prometheus.NewRegistry(), Accounts: account.New(s.db, account.NewHasher(), nil),
		Signer: signer, Limiter: limiter, Kick: func() {},
		WHIPURL:    func(context.Context, commerce.ShowID) (string, error) { return "http://localhost/whip", nil },
		RemoteAddr: func(r *http.Request) netip.Addr { return netip.MustParseAddr(r.Header.Get("Test-Address")) },
		Sale:       api.Sale{Checkout: n.sale},
	})
	s.must(err)
	n.web = httptest.NewServer(a.Handler())
	s.Cleanup(n.web.Close)
	return n
}

// answer is what one tap heard, between two readings of Redis' clock.
type answer struct {
	before, after time.Time
	status        int
	code          string
}

// hammer taps with a new hold each time, until one is held or there is nothing left.
func (n *site) hammer(show commerce.ShowID, variant commerce.VariantID, address string) (answers []answer, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := http.Client{Jar: jar, Transport: n.web.Client().Transport}
	body, err := json.Marshal(map[string]any{"show": show, "variant": variant, "quantity": 1})
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		var a answer
		if a.before, err = n.client.Time(context.Background()).Result(); err != nil {
			return nil, err
		}
		id := commerce.NewID[commerce.HoldID]()
		if a.status, a.code, err = put(browser, n.web.URL+api.Base+"/holds/"+id.String(), address, body); err != nil {
			return nil, err
		}
		if a.after, err = n.client.Time(context.Background()).Result(); err != nil {
			return nil, err
		}
		if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
			continue // told to come again
		}
		answers = append(answers, a)
		if a.code != "not_open" {
			return answers, nil
		}
	}
	return answers, context.DeadlineExceeded
}

func put(browser http.Client, url, address string, body []byte) (status int, code string, err error) {
	r, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Test-Address", address)
	resp, err := browser.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	var problem struct{ Code string }
	_ = json.Unmarshal(text, &problem) // an answer without a code is no problem
	return resp.StatusCode, problem.Code, err
}

// Many buyers tap before, at and after T, on two nodes whose clocks are seconds off, one ahead and one behind. By the
// stores' clock nobody is served before T and nobody is turned away as too early after it; exactly the pool is sold.
func TestEverybodyTapsAtT(t *testing.T) {
	const buyers, units = 60, 25
	s := newStage(t, units)
	url := embeddedtest.Redis(t)
	nodes := []*site{s.site(url, 7*time.Second), s.site(url, -9*time.Second)}
	at := s.clock(1500 * time.Millisecond)
	_, pools, err := s.drop(newID(), &at)
	s.must(err)
	nodes[0].sale.Changed(t.Context(), pools...)
	var (
		group       sync.WaitGroup
		mu          sync.Mutex
		early, held int
	)
	for i := range buyers {
		group.Go(func() {
			answers, err := nodes[i%2].hammer(s.show, s.variant, fmt.Sprintf("127.1.1.%d", i+1))
			if err != nil {
				t.Errorf("buyer %d: %v after %d answers", i, err, len(answers))
			}
			mu.Lock()
			defer mu.Unlock()
			for _, a := range answers {
				switch {
				case a.code == "not_open" && a.before.Before(at):
					early++
				case a.status == http.StatusCreated && !a.after.Before(at):
					held++
				case a.code == "sold_out" && !a.after.Before(at):
				default:
					t.Errorf("%d %s, between %v and %v of T", a.status, a.code, a.before.Sub(at), a.after.Sub(at))
				}
			}
		})
	}
	group.Wait()
	if early == 0 || held != units {
		t.Errorf("%d were too early, %d of %d hold a unit", early, held, units)
	}
	var taken, holds int
	var first time.Time
	s.must(s.db.QueryRow(t.Context(), `select p.taken, count(h.id), min(h.created_at) from pool p join hold h on h.pool = p.id and h.state = 'held'
		where p.variant = $1 group by p.id`, s.variant).Scan(&taken, &holds, &first))
	if taken != units || holds != units || first.Before(at) {
		t.Errorf("%d units taken by %d holds, the first %v from T", taken, holds, first.Sub(at))
	}
	t.Logf("%d answers were too early; the first hold came %v after T", early, first.Sub(at))
}
