package paymenttest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// Run holds a provider to everything that checkout relies on.
func Run(t *testing.T, company func(t *testing.T) Company) {
	for _, test := range []struct {
		name string
		run  func(bench)
	}{
		{"authorise", testAuthorise},
		{"decline", testDecline},
		{"the bank asks, the buyer confirms", testConfirmed},
		{"the bank asks, the buyer refuses", testRefused},
		{"the bank asks, we end it", testAskedAndVoided},
		{"a reference is for one payment", testReference},
		{"repetitions at once", testTogether},
		{"capture", testCapture},
		{"capture of a part", testCapturePart},
		{"keys are for one call", testKeys},
		{"refund", testRefund},
		{"refunds at once", testRefundsTogether},
		{"void", testVoid},
		{"void before the authorisation", testVoidFirst},
		{"void and authorise at once", testVoidRace},
		{"void and capture at once", testVoidCapture},
		{"no void of what was captured", testVoidCaptured},
		{"what was declined stays so", testVoidDeclined},
		{"money without cents, and with more of them", testCurrencies},
		{"what is not there", testNotFound},
		{"all charges since a time", testCharges},
		{"the caller gave up", testGivenUp},
		{"no call inside a transaction", testTransaction},
		{"webhooks", testWebhooks},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(bench{t, company(t)}) })
	}
	t.Run("faults", func(t *testing.T) { testFaults(t, company) })
}

func testAuthorise(b bench) {
	a := b.wish(Pays)
	first, err := b.Authorise(b.Context(), a)
	b.is(first, err, payment.ChargeAuthorised)
	if first.ID == "" || first.Reference != a.Reference || first.Amount != a.Amount || first.Captured != 0 || first.Refunded != 0 ||
		first.Decline != "" || first.Action != "" {
		b.Errorf("%+v", first)
	}
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeAuthorised)
	got, err := b.Get(b.Context(), first.ID)
	b.is(got, err, payment.ChargeAuthorised)
	for how, c := range map[string]payment.Charge{"repeated": again, "got": got, "found": b.found(a.Reference)} {
		if c != first {
			b.Errorf("%s: %+v, was %+v", how, c, first)
		}
	}
	b.holds(a, a.Amount.Minor)
}

func testDecline(b bench) {
	a := b.wish(Declines)
	first, err := b.Authorise(b.Context(), a)
	b.is(first, err, payment.ChargeDeclined)
	if first.Decline == "" || first.ID == "" || first.Reference != a.Reference {
		b.Errorf("%+v: a decline has a word", first)
	}
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeDeclined)
	got, err := b.Get(b.Context(), first.ID)
	b.is(got, err, payment.ChargeDeclined)
	for how, c := range map[string]payment.Charge{"repeated": again, "got": got, "found": b.found(a.Reference)} {
		if c.ID != first.ID || c.Decline != first.Decline {
			b.Errorf("%s: %+v, was %+v", how, c, first)
		}
	}
	_, err = b.Capture(b.Context(), first.ID, a.Amount, "cap:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	b.holds(a, 0)
}

// asked is a payment that waits for its buyer.
func (b bench) asked() (payment.Authorisation, payment.Charge) {
	b.Helper()
	a := b.wish(AsksBank)
	var first payment.Charge
	for range 2 { // a repetition asks nobody again
		c, err := b.Authorise(b.Context(), a)
		b.is(c, err, payment.ChargeRequiresAction)
		if page, err := url.Parse(c.Action); err != nil || !page.IsAbs() || page.Host == "" {
			b.Errorf("the buyer cannot open %q", c.Action)
		}
		if first.ID != "" && c.ID != first.ID {
			b.Errorf("two charges: %s, %s", first.ID, c.ID)
		}
		first = c
	}
	got, err := b.Get(b.Context(), first.ID)
	b.is(got, err, payment.ChargeRequiresAction)
	b.is(b.found(a.Reference), nil, payment.ChargeRequiresAction)
	_, err = b.Capture(b.Context(), first.ID, a.Amount, "early:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	b.holds(a, 0)
	return a, first
}

func testConfirmed(b bench) {
	a, c := b.asked()
	b.Answer(b.T, c, true)
	got, err := b.Get(b.Context(), c.ID)
	b.is(got, err, payment.ChargeAuthorised)
	if got.Action != "" {
		b.Errorf("the buyer is still sent to %s", got.Action)
	}
	b.is(b.found(a.Reference), nil, payment.ChargeAuthorised)
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeAuthorised)
	b.holds(a, a.Amount.Minor)
	took, err := b.Capture(b.Context(), c.ID, a.Amount, "cap:"+a.Reference)
	b.is(took, err, payment.ChargeCaptured)
}

func testRefused(b bench) {
	a, c := b.asked()
	b.Answer(b.T, c, false)
	got, err := b.Get(b.Context(), c.ID)
	b.is(got, err, payment.ChargeDeclined)
	if got.Decline == "" || got.Action != "" {
		b.Errorf("%+v", got)
	}
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeDeclined)
	b.holds(a, 0)
}

func testAskedAndVoided(b bench) {
	a, c := b.asked()
	got, err := b.Void(b.Context(), tokenless(a))
	b.is(got, err, payment.ChargeVoided)
	b.Answer(b.T, c, true) // the buyer's page was still open
	b.holds(a, 0)
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeVoided)
	b.holds(a, 0)
}

// tokenless is an authorisation as it is known when it is to be ended.
func tokenless(a payment.Authorisation) payment.Authorisation {
	a.Token, a.Return = "", ""
	return a
}

func testReference(b bench) {
	a, _ := b.authorised(euros)
	dearer, cheaper, otherMoney, otherCard := a, a, a, a
	dearer.Amount.Minor++
	cheaper.Amount.Minor--
	otherMoney.Amount.Currency = "USD"
	otherCard.Token = b.Token(b.T, Pays)
	for name, bad := range map[string]payment.Authorisation{"dearer": dearer, "cheaper": cheaper, "other money": otherMoney, "other card": otherCard} {
		if c, err := b.Authorise(b.Context(), bad); !errors.Is(err, payment.ErrRejected) {
			b.Errorf("%s: %+v %v", name, c, err)
		}
	}
	b.holds(a, a.Amount.Minor)
	another := b.wish(Pays)
	another.Token = a.Token
	_, err := b.Authorise(b.Context(), another)
	b.refuses(err, payment.ErrRejected) // a token pays once
	b.holds(another, 0)
	unknown := b.wish(Pays)
	unknown.Token = "tok_never_made"
	_, err = b.Authorise(b.Context(), unknown)
	b.refuses(err, payment.ErrRejected)
	nothing := b.wish(Pays)
	nothing.Amount.Minor = 0
	_, err = b.Authorise(b.Context(), nothing)
	b.refuses(err, payment.ErrRejected)
}

func testVoid(b bench) {
	a, charge := b.authorised(euros)
	for range 2 {
		got, err := b.Void(b.Context(), tokenless(a))
		b.is(got, err, payment.ChargeVoided)
		b.holds(a, 0)
	}
	got, err := b.Get(b.Context(), charge.ID)
	b.is(got, err, payment.ChargeVoided)
	b.is(b.found(a.Reference), nil, payment.ChargeVoided)
	again, err := b.Authorise(b.Context(), a)
	b.is(again, err, payment.ChargeVoided)
	_, err = b.Capture(b.Context(), charge.ID, a.Amount, "cap:"+a.Reference)
	b.refuses(err, payment.ErrRejected)
	b.holds(a, 0)
}

func testVoidFirst(b bench) {
	a := b.wish(Pays)
	got, err := b.Void(b.Context(), tokenless(a))
	b.is(got, err, payment.ChargeVoided)
	for range 2 {
		late, err := b.Authorise(b.Context(), a)
		b.is(late, err, payment.ChargeVoided)
		b.holds(a, 0)
	}
	again, err := b.Void(b.Context(), tokenless(a))
	b.is(again, err, payment.ChargeVoided)
}

func testVoidCaptured(b bench) {
	a, charge := b.captured(euros)
	_, err := b.Void(b.Context(), tokenless(a))
	b.refuses(err, payment.ErrRejected)
	got, err := b.Get(b.Context(), charge.ID)
	b.is(got, err, payment.ChargeCaptured)
	b.holds(a, a.Amount.Minor)
}

func testVoidDeclined(b bench) {
	a := b.wish(Declines)
	first, err := b.Authorise(b.Context(), a)
	b.is(first, err, payment.ChargeDeclined)
	for range 2 {
		got, err := b.Void(b.Context(), tokenless(a))
		b.is(got, err, payment.ChargeDeclined)
		if got.Decline != first.Decline {
			b.Errorf("declined for %q, was %q", got.Decline, first.Decline)
		}
	}
	got, err := b.Get(b.Context(), first.ID)
	b.is(got, err, payment.ChargeDeclined)
	b.holds(a, 0)
}

// Zero, two and three decimals: an amount goes to the company and comes back as it was.
func testCurrencies(b bench) {
	for _, amount := range []money.Amount{{Minor: 500, Currency: "JPY"}, {Minor: 1, Currency: "JPY"}, {Minor: 4999, Currency: "USD"}, {Minor: 12340, Currency: "KWD"}} {
		a, c := b.captured(amount)
		if c.Amount != amount || c.Captured != amount.Minor {
			b.Errorf("%v: %+v", amount, c)
		}
		c, err := b.Refund(b.Context(), c.ID, amount, "ref:"+a.Reference)
		if err != nil || c.Refunded != amount.Minor || c.Amount != amount {
			b.Errorf("%v: %+v %v", amount, c, err)
		}
	}
}

func testNotFound(b bench) {
	_, err := b.Get(b.Context(), "ch_none")
	b.refuses(err, payment.ErrNotFound)
	_, err = b.FindByReference(b.Context(), "never seen")
	b.refuses(err, payment.ErrNotFound)
	_, err = b.FindByReference(b.Context(), `it's "quoted" \ and more`)
	b.refuses(err, payment.ErrNotFound)
	_, err = b.Capture(b.Context(), "ch_none", euros, "k1")
	b.refuses(err, payment.ErrNotFound)
	_, err = b.Refund(b.Context(), "ch_none", euros, "k2")
	b.refuses(err, payment.ErrNotFound)
	for _, odd := range []string{"", "a/b", "a?b=c", "ü %#"} {
		if c, err := b.Get(b.Context(), odd); !errors.Is(err, payment.ErrNotFound) && !errors.Is(err, payment.ErrRejected) {
			b.Errorf("%q: %+v %v", odd, c, err)
		}
	}
}

func testCharges(b bench) {
	list, can := b.Provider.(payment.Lister)
	if !can {
		b.Fatal("the company's charges cannot be gone through")
	}
	want := map[string]payment.Charge{}
	for range 3 {
		a, _ := b.captured(euros)
		want[a.Reference] = b.found(a.Reference)
		a, _ = b.authorised(euros)
		want[a.Reference] = b.found(a.Reference)
	}
	declined := b.wish(Declines)
	if c, err := b.Authorise(b.Context(), declined); err != nil {
		b.Fatalf("%+v %v", c, err)
	}
	want[declined.Reference] = b.found(declined.Reference)
	seen := map[string]int{}
	for c, err := range list.Charges(b.Context(), time.Now().Add(-time.Hour)) {
		if err != nil {
			b.Fatal(err)
		}
		own, mine := want[c.Reference]
		if seen[c.Reference]++; mine && c != own {
			b.Errorf("listed %+v, found %+v", c, own)
		}
	}
	for reference := range want {
		if seen[reference] != 1 {
			b.Errorf("%s is listed %d times", reference, seen[reference])
		}
	}
	for c, err := range list.Charges(b.Context(), time.Now().Add(time.Hour)) {
		b.Errorf("of times to come: %+v %v", c, err)
	}
	for range list.Charges(b.Context(), time.Now().Add(-time.Hour)) {
		break // whoever has seen enough may stop
	}
}

func testGivenUp(b bench) {
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	_, err := b.Authorise(ctx, b.wish(Pays))
	b.refuses(err, payment.ErrOutcomeUnknown)
}

func testTransaction(b bench) {
	db := schematest.Open(b.T, schematest.Empty(b.T))
	a, charge := b.authorised(euros)
	err := schema.InTx(b.Context(), db, func(ctx context.Context, _ pgx.Tx, _ time.Time) error {
		for name, call := range calls(b, a, charge) {
			if _, err := call(ctx); !errors.Is(err, schema.ErrInTransaction) {
				b.Errorf("%s inside a transaction: %v", name, err)
			}
		}
		if b.Vault != nil {
			if _, err := b.Vault.Tokenise(ctx, payment.Card{}); !errors.Is(err, schema.ErrInTransaction) {
				b.Errorf("a card handed over inside a transaction: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.holds(a, a.Amount.Minor)
}

func calls(b bench, a payment.Authorisation, c payment.Charge) map[string]func(ctx context.Context) (payment.Charge, error) {
	return map[string]func(ctx context.Context) (payment.Charge, error){
		"authorise": func(ctx context.Context) (payment.Charge, error) { return b.Authorise(ctx, a) },
		"capture": func(ctx context.Context) (payment.Charge, error) {
			return b.Capture(ctx, c.ID, a.Amount, "cap:"+a.Reference)
		},
		"void": func(ctx context.Context) (payment.Charge, error) { return b.Void(ctx, tokenless(a)) },
		"refund": func(ctx context.Context) (payment.Charge, error) {
			return b.Refund(ctx, c.ID, a.Amount, "ref:"+a.Reference)
		},
		"get":  func(ctx context.Context) (payment.Charge, error) { return b.Get(ctx, c.ID) },
		"find": func(ctx context.Context) (payment.Charge, error) { return b.FindByReference(ctx, a.Reference) },
	}
}

func testWebhooks(b bench) {
	a, _ := b.authorised(euros)
	header, body := b.Sign(b.T, a.Reference, time.Now())
	first, err := b.Webhooks.Notice(header, body)
	if err != nil || first.Reference != a.Reference || first.ID == "" || first.Kind == "" || first.Created.IsZero() {
		b.Fatalf("%+v %v", first, err)
	}
	if again, err := b.Webhooks.Notice(header, body); err != nil || again != first {
		b.Errorf("delivered twice: %+v %v", again, err)
	}
	for name, forge := range map[string]func() (http.Header, []byte){
		"no signature": func() (http.Header, []byte) { return http.Header{}, body },
		"another body": func() (http.Header, []byte) { return header, append([]byte(" "), body...) },
		"no body":      func() (http.Header, []byte) { return header, nil },
		"too old":      func() (http.Header, []byte) { return b.Sign(b.T, a.Reference, time.Now().Add(-6*time.Minute)) },
		"another signature": func() (http.Header, []byte) {
			other, _ := b.Sign(b.T, b.wish(Pays).Reference, time.Now())
			return other, body
		},
	} {
		h, text := forge()
		if n, err := b.Webhooks.Notice(h, text); !errors.Is(err, payment.ErrSignature) || n != (payment.Notice{}) {
			b.Errorf("%s: %+v %v", name, n, err)
		}
	}
}
