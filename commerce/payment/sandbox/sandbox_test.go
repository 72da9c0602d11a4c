package sandbox

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const secret = "a secret of this test"

var price = money.Amount{Minor: 4900, Currency: "EUR"}

// company is the sandbox on a port, and a client of it.
type company struct {
	t    *testing.T
	db   *pgxpool.Pool
	base string
	*Client
}

func newCompany(t *testing.T, change ...func(*Config)) *company {
	t.Helper()
	c := &company{t: t, db: schematest.Open(t, schematest.Empty(t))}
	c.base = c.start(change...)
	client, err := NewClient(c.base, secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c.Client = client
	return c
}

// start serves until the test ends and answers the address.
func (c *company) start(change ...func(*Config)) string {
	c.t.Helper()
	url, _ := c.startFor(change...)
	return url
}

// startFor serves until it is stopped, or the test ends. Its webhooks are in a hurry.
func (c *company) startFor(change ...func(*Config)) (url string, stop func()) {
	c.t.Helper()
	config := Config{
		Pool: c.db, Secret: secret, Log: slog.New(slog.DiscardHandler), Now: time.Now, Mum: 10 * time.Second,
		Hooks: Hooks{FirstPause: 20 * time.Millisecond, MaxPause: 40 * time.Millisecond, Late: 300 * time.Millisecond},
	}
	for _, f := range change {
		f(&config)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, l, config) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

func (c *company) token(number string) string {
	c.t.Helper()
	token, err := c.Tokenise(c.t.Context(), payment.Card{Number: number, ExpMonth: 12, ExpYear: time.Now().Year() + 1, CVC: "123"})
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

func (c *company) wish(number string) payment.Authorisation {
	return payment.Authorisation{Reference: commerce.NewID[commerce.PaymentID]().String(), Amount: price, Token: c.token(number)}
}

func (c *company) authorised() (payment.Authorisation, payment.Charge) {
	c.t.Helper()
	a := c.wish("4242424242424242")
	charge, err := c.Authorise(c.t.Context(), a)
	if err != nil || charge.Status != payment.ChargeAuthorised {
		c.t.Fatalf("%+v %v", charge, err)
	}
	return a, charge
}

func TestCardsDoWhatTheirNumbersSay(t *testing.T) {
	c := newCompany(t)
	for number, want := range map[string]string{
		"4242 4242 4242 4242": "authorised ", "4000-0000-0000-0002": "declined card_declined", "4000000000009995": "declined insufficient_funds",
		"5555 5555 5555 4444": "declined card_declined", // a card that may be real works nowhere
	} {
		a := c.wish(number)
		for range 2 { // a repetition is the same charge
			charge, err := c.Authorise(t.Context(), a)
			if got := string(charge.Status) + " " + charge.Decline; err != nil || got != want {
				t.Errorf("%s: %q %v, want %q", number, got, err, want)
			}
		}
	}
	for _, number := range []string{"4000000000000119", "4000000000000341"} {
		a := c.wish(number)
		if _, err := c.Authorise(t.Context(), a); !errors.Is(err, payment.ErrOutcomeUnknown) {
			t.Errorf("%s: %v", number, err)
		}
		found, err := c.FindByReference(t.Context(), a.Reference)
		if err != nil || found.Status != payment.ChargeAuthorised {
			t.Errorf("%s: %+v %v", number, found, err)
		}
		if again, err := c.Authorise(t.Context(), a); err != nil || again.ID != found.ID {
			t.Errorf("%s again: %+v %v", number, again, err)
		}
	}
}

func TestWhatIsNoCard(t *testing.T) {
	c := newCompany(t)
	good := payment.Card{Number: "4242424242424242", ExpMonth: 12, ExpYear: time.Now().Year() + 1, CVC: "123"}
	for name, change := range map[string]func(*payment.Card){
		"no number":       func(c *payment.Card) { c.Number = "" },
		"check digit":     func(c *payment.Card) { c.Number = "4242424242424241" },
		"letters":         func(c *payment.Card) { c.Number = "4242 4242 4242 424x" },
		"too long":        func(c *payment.Card) { c.Number = strings.Repeat("4242", 5) },
		"no month":        func(c *payment.Card) { c.ExpMonth = 0 },
		"month 13":        func(c *payment.Card) { c.ExpMonth = 13 },
		"expired":         func(c *payment.Card) { c.ExpYear = 2020 },
		"far future":      func(c *payment.Card) { c.ExpYear = 3000 },
		"no code":         func(c *payment.Card) { c.CVC = "" },
		"code of letters": func(c *payment.Card) { c.CVC = "abc" },
		"code too long":   func(c *payment.Card) { c.CVC = "12345" },
	} {
		bad := good
		change(&bad)
		if _, err := c.Tokenise(t.Context(), bad); !errors.Is(err, payment.ErrCardInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCardIsGoodToTheEndOfItsMonth(t *testing.T) {
	c := card{Number: "4242424242424242", ExpMonth: 12, ExpYear: 27, CVC: "123"}
	if _, ok := c.judge(time.Date(2027, 12, 31, 23, 59, 0, 0, time.UTC)); !ok {
		t.Error("refused on its last day")
	}
	if _, ok := c.judge(time.Date(2028, 1, 2, 0, 0, 0, 0, time.UTC)); ok {
		t.Error("accepted after its month")
	}
}

func TestKeysAreNotReused(t *testing.T) {
	c := newCompany(t)
	a, charge := c.authorised()
	dearer, other := a, a
	dearer.Amount.Minor++
	other.Token = c.token("4242424242424242")
	for _, bad := range []payment.Authorisation{dearer, other} {
		if _, err := c.Authorise(t.Context(), bad); !errors.Is(err, payment.ErrRejected) {
			t.Errorf("the same reference with other content: %v", err)
		}
	}
	second := a
	second.Reference = "another"
	if _, err := c.Authorise(t.Context(), second); !errors.Is(err, payment.ErrRejected) {
		t.Errorf("a token used twice: %v", err)
	}
	if _, err := c.Capture(t.Context(), charge.ID, price, "k"); err != nil {
		t.Fatal(err)
	}
	_, another := c.authorised()
	if _, err := c.Capture(t.Context(), another.ID, price, "k"); !errors.Is(err, payment.ErrRejected) {
		t.Errorf("a capture's key used for another charge: %v", err)
	}
}

func TestCaptureAndRefundOncePerKey(t *testing.T) {
	c := newCompany(t)
	_, charge := c.authorised()
	more := money.Amount{Minor: price.Minor + 1, Currency: "EUR"}
	if _, err := c.Capture(t.Context(), charge.ID, more, "more"); !errors.Is(err, payment.ErrRejected) {
		t.Fatalf("captured more than was authorised: %v", err)
	}
	for range 3 {
		got, err := c.Capture(t.Context(), charge.ID, price, "cap")
		if err != nil || got.Captured != price.Minor || got.Status != payment.ChargeCaptured {
			t.Fatalf("%+v %v", got, err)
		}
	}
	if _, err := c.Capture(t.Context(), charge.ID, price, "cap2"); !errors.Is(err, payment.ErrRejected) {
		t.Fatalf("captured twice: %v", err)
	}
	part := money.Amount{Minor: 1900, Currency: "EUR"}
	for range 2 {
		if got, err := c.Refund(t.Context(), charge.ID, part, "ref"); err != nil || got.Refunded != 1900 {
			t.Fatalf("%+v %v", got, err)
		}
	}
	if _, err := c.Refund(t.Context(), charge.ID, price, "ref2"); !errors.Is(err, payment.ErrRejected) {
		t.Fatalf("refunded more than there is: %v", err)
	}
	if _, err := c.Void(t.Context(), payment.Authorisation{Reference: charge.Reference}); !errors.Is(err, payment.ErrRejected) {
		t.Fatalf("voided captured money: %v", err)
	}
}

// A void ends a reference, also one that has not arrived yet.
func TestVoidIsForEver(t *testing.T) {
	c := newCompany(t)
	a, _ := c.authorised()
	late := c.wish("4242424242424242")
	for _, wish := range []payment.Authorisation{a, late} {
		for range 2 {
			if got, err := c.Void(t.Context(), wish); err != nil || got.Status != payment.ChargeVoided {
				t.Fatalf("%+v %v", got, err)
			}
		}
		if got, err := c.Authorise(t.Context(), wish); err != nil || got.Status != payment.ChargeVoided {
			t.Fatalf("authorised after the void: %+v %v", got, err)
		}
	}
	refused := c.wish("4000000000000002")
	if _, err := c.Authorise(t.Context(), refused); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Void(t.Context(), payment.Authorisation{Reference: refused.Reference}); err != nil || got.Status != payment.ChargeDeclined {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := c.FindByReference(t.Context(), "never seen"); !errors.Is(err, payment.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestAuthoriseAndVoidAtOnce(t *testing.T) {
	c := newCompany(t)
	for range 10 {
		a := c.wish("4242424242424242")
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() { _, _ = c.Authorise(t.Context(), a) }) // any outcome; the end is looked at below
			group.Go(func() {
				if _, err := c.Void(t.Context(), a); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if got, err := c.FindByReference(t.Context(), a.Reference); err != nil || got.Status != payment.ChargeVoided {
			t.Fatalf("%+v %v", got, err)
		}
	}
}

func TestStrangersAndBadRequests(t *testing.T) {
	c := newCompany(t)
	send := func(method, path, bearer, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, c.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", bearer)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	ours := "Bearer " + secret
	for name, test := range map[string]struct {
		method, path, bearer, body string
		status                     int
	}{
		"no secret":       {"POST", "/voids", "", `{"reference":"x"}`, 401},
		"wrong secret":    {"POST", "/voids", "Bearer no", `{"reference":"x"}`, 401},
		"no JSON":         {"POST", "/tokens", ours, `number=4242424242424242`, 400},
		"unknown members": {"POST", "/voids", ours, `{"reference":"x","force":true}`, 400},
		"too large":       {"POST", "/voids", ours, `{"reference":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		"no reference":    {"POST", "/voids", ours, `{}`, 422},
		"no amount":       {"POST", "/charges", ours, `{"reference":"r","currency":"EUR","token":"t"}`, 422},
		"unknown token":   {"POST", "/charges", ours, `{"reference":"r","amount":1,"currency":"EUR","token":"t"}`, 422},
		"unknown charge":  {"GET", "/charges/ch_none", ours, ``, 404},
		"unknown capture": {"POST", "/charges/ch_none/capture", ours, `{"amount":1,"key":"k"}`, 404},
		"health":          {"GET", "/healthz", "", ``, 200},
	} {
		status, text := send(test.method, test.path, test.bearer, test.body)
		if status != test.status || strings.Contains(text, "4242424242424242") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

func TestClientStaysOutOfTransactions(t *testing.T) {
	c := newCompany(t)
	err := schema.InTx(t.Context(), c.db, func(ctx context.Context, _ pgx.Tx, _ time.Time) error {
		_, err := c.Get(ctx, "ch_x")
		return err
	})
	if !errors.Is(err, schema.ErrInTransaction) {
		t.Fatal(err)
	}
}

// What was done survives the company's end, like a real one's.
func TestChargesSurviveARestart(t *testing.T) {
	c := newCompany(t)
	a, charge := c.authorised()
	again, err := NewClient(c.start(), secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := again.FindByReference(t.Context(), a.Reference); err != nil || found.ID != charge.ID {
		t.Fatalf("%+v %v", found, err)
	}
}

func TestNobodyThere(t *testing.T) {
	client, err := NewClient("http://127.0.0.1:1", secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), "ch_x"); !errors.Is(err, payment.ErrOutcomeUnknown) {
		t.Fatal(err)
	}
	if _, err := NewClient("no address", secret, "", 0); err == nil {
		t.Fatal("an address that is none was taken")
	}
}

// A page that is full is not the last one; each charge is on one page.
func TestChargesAreListedToTheLast(t *testing.T) {
	c := newCompany(t)
	if _, err := c.FindByReference(t.Context(), "nobody's"); !errors.Is(err, payment.ErrNotFound) {
		t.Fatal(err) // answered, it has its tables
	}
	for _, n := range []int{pageOfCharges, pageOfCharges + 1} {
		if _, err := c.db.Exec(t.Context(), `
			insert into sandbox.charge (id, reference, status, amount, currency, created_at)
			select 'ch_' || i, 'ref ' || i, 'authorised', 100, 'EUR', '2026-01-01' from generate_series(1, $1) i on conflict do nothing`, n); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for charge, err := range c.Charges(t.Context(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
			if err != nil || seen[charge.ID] || charge.Status != payment.ChargeAuthorised {
				t.Fatalf("%+v %v", charge, err)
			}
			seen[charge.ID] = true
		}
		if len(seen) != n {
			t.Errorf("%d charges of %d", len(seen), n)
		}
	}
	var page charges
	if err := c.do(t.Context(), http.MethodGet, "/charges?since=yesterday", nil, &page); !errors.Is(err, payment.ErrRejected) {
		t.Errorf("since yesterday: %v", err)
	}
}
