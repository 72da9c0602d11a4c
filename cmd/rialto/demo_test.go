package main

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// TestDemoAccountsAreRefusedBesideRealMoney: their password is public.
func TestDemoAccountsAreRefusedBesideRealMoney(t *testing.T) {
	pool := schematest.Pool(t)
	if err := refuseDemo(t.Context(), pool); err != nil {
		t.Fatalf("an empty database is refused: %v", err)
	}
	accounts := account.New(pool, account.NewHasher(), nil)
	for _, who := range demoAccounts {
		id := commerce.NewID[commerce.AccountID]()
		_, err := accounts.SignUp(t.Context(), account.NewAccount{ID: id, Email: who.Email, Name: who.Name, Password: demoPassword, Roles: []account.Role{account.Viewer}})
		if err != nil {
			t.Fatal(err)
		}
		if err := refuseDemo(t.Context(), pool); err == nil || !strings.Contains(err.Error(), "RIALTO_SANDBOX=1") || !strings.Contains(err.Error(), who.Email) {
			t.Errorf("%s: got %v, want a refusal that says what to do", who.Email, err)
		}
		if _, err := pool.Exec(t.Context(), `delete from account`); err != nil {
			t.Fatal(err)
		}
	}
}

// cutOff lets some requests through, and then none.
type cutOff struct{ left int }

var errCutOff = errors.New("cut off")

func (c *cutOff) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.left--; c.left < 0 {
		return nil, errCutOff
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestDemoIsMadeOnce: however often the making of the demo data was cut off, and however often it is repeated, there
// is one show with each product once, and nothing timed can be bought early.
func TestDemoIsMadeOnce(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	prepare := func(requests int) (show string, err error) {
		d, err := newDemo(n.url, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		wire := &cutOff{left: requests}
		for _, p := range d.people {
			p.http.Transport = wire
		}
		return d.prepare(t.Context())
	}
	for _, requests := range []int{3, 9, 15, 21, 12} { // in the accounts, the catalogue, the invitation, the stock, and again
		if _, err := prepare(requests); !errors.Is(err, errCutOff) {
			t.Fatalf("after %d requests: %v", requests, err)
		}
	}
	show, err := prepare(1000)
	if err != nil {
		t.Fatal(err)
	}
	for what, sql := range map[string]string{
		"accounts":                  `select count(*) - 3 from account`,
		"shows":                     `select count(*) - 1 from show`,
		"brands":                    `select count(*) - 1 from show_brand`,
		"products out of place":     `select count(*) from product p join show_product l on l.product = p.id join account a on a.id = p.owner where a.name <> 'Ponte'`,
		"shows without a pin":       `select count(*) from show where pin is null`,
		"variants without units":    `select count(*) from variant v left join pool p on p.variant = v.id where coalesce(p.on_hand, 0) = 0`,
		"releases beside the two":   `select count(*) - 2 from drops where opens_at > now()`,
		"timed and on sale":         `select count(*) from pool p join drops d on d.variant = p.variant where coalesce(p.opens_at <= now(), true)`,
		"units that were not meant": `select sum(on_hand) - ` + units() + ` from pool`,
	} {
		if n := m.count(sql); n != 0 {
			t.Errorf("%s: %d", what, n)
		}
	}
	if n := m.count(`select count(*) from product`); n != len(demoProducts) {
		t.Errorf("%d products, want %d", n, len(demoProducts))
	}
	// The next day the release lies behind, and there is a new one; a show that somebody ended has a successor.
	for _, table := range []string{"drops", "pool"} {
		if _, err := m.db.Exec(t.Context(), `update `+table+` set opens_at = now() - interval '1 hour' where opens_at is not null`); err != nil {
			t.Fatal(err)
		}
	}
	d, err := newDemo(n.url, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.prepare(t.Context()); err != nil || again != show {
		t.Fatalf("%s %v, want %s", again, err, show)
	}
	if n := m.count(`select count(*) from drops where opens_at > now()`); n != 2 {
		t.Errorf("%d releases to look forward to, want 2", n)
	}
	if err := d.people[demoMara].call(t.Context(), http.MethodPost, "/shows/"+show+"/end", nil, nil); err != nil {
		t.Fatal(err)
	}
	if next, err := d.prepare(t.Context()); err != nil || next == show {
		t.Fatalf("%s %v, want another show", next, err)
	}
	if n := m.count(`select count(*) from drops where opens_at > now() + interval '1 minute'`); n != 4 {
		t.Errorf("%d releases to look forward to in both shows, want 4", n)
	}
}

func units() string {
	total := 0
	for _, p := range demoProducts {
		for _, v := range p.variants {
			total += v.units
		}
	}
	return strconv.Itoa(total)
}

// TestDemoPictures: each product of the demo has a drawing of its own, and none of them loads or runs anything.
func TestDemoPictures(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range demoProducts {
		if seen[p.image] || seen[p.title] {
			t.Errorf("%s: a picture or a title for the second time", p.title)
		}
		seen[p.image], seen[p.title] = true, true
		svg, err := os.ReadFile("../../web/app/public" + p.image)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, no := range []string{"<script", "href", "url(http", "<image", "<foreignObject", "<style", "onload"} {
			if strings.Contains(string(svg), no) {
				t.Errorf("%s contains %s", p.image, no)
			}
		}
		if !strings.Contains(string(svg), `viewBox="0 0 600 600"`) {
			t.Errorf("%s has another size than the others", p.image)
		}
	}
}
