package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// sentTo is the pay tap of somebody elsewhere.
func sentTo(h Held, number, place, postcode string) PayRequest {
	r := payFor(h, number)
	r.Delivery.Country, r.Delivery.Region, _ = strings.Cut(place, "-")
	r.Delivery.Postcode = postcode
	return r
}

func (w *world) charged() int { return w.count(`select coalesce(sum(amount_minor), 0) from payment`) }

func shown(minor int64) *int64 { return &minor }

// What is charged is what the page showed, or nothing.
func TestNobodyIsChargedAnotherTotal(t *testing.T) {
	w := newWorld(t, 2)
	s := w.service()
	h := w.hold(s, "gst_a")
	for _, wrong := range []int64{5389, 5391, 4900, 0, -5390, money.Max} {
		r := payFor(h, good)
		r.Total = shown(wrong)
		var changed *CostsError
		if _, _, err := s.Pay(t.Context(), r); !errors.As(err, &changed) || !errors.Is(err, ErrTotal) || changed.Costs.Total.Minor != 5390 {
			t.Fatalf("shown %d: %v", wrong, err)
		}
	}
	if n := w.count(`select count(*) from orders`); n != 0 {
		t.Fatalf("%d orders were made", n)
	}
	if n := w.calls.Load(); n != 0 {
		t.Fatalf("the provider was called %d times", n)
	}
	r := payFor(h, good)
	r.Total = shown(5390)
	o := w.paid(s, r)
	if o.Total.Minor != 5390 || w.charged() != 5390 {
		t.Fatalf("%+v", o)
	}
	// A rate that changes later changes nothing: not for the order, nor for its repetition.
	w.exec(`update delivery_rate set amount = amount * 2`)
	w.exec(`update tax_rate set rate = 10000, included = false`)
	again, created, err := s.Pay(t.Context(), r)
	if err != nil || created || again.Costs != o.Costs || again.Total != o.Total {
		t.Fatalf("%+v %v %v", again, created, err)
	}
	w.deliver(s)
	if n := w.count(`select sum(captured) from sandbox.charge`); n != 5390 {
		t.Fatalf("%d were taken", n)
	}
	second := w.hold(s, "gst_b")
	if o := w.paid(s, payFor(second, good)); o.Total.Minor != 4900+980+490 {
		t.Fatalf("the next one pays %v", o.Total)
	}
}

// slowVault lets something happen before it answers.
type slowVault struct {
	payment.Vault
	meanwhile func()
}

func (v slowVault) Tokenise(ctx context.Context, c payment.Card) (string, error) {
	v.meanwhile()
	return v.Vault.Tokenise(ctx, c)
}

// A rate that changes while a card is turned into a token is seen where it counts: in the transaction.
func TestARateChangesBetweenLookAndCharge(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	s.Vault = slowVault{s.Vault, func() { w.exec(`update delivery_rate set amount = 690 where zone = 'domestic' and currency = 'EUR'`) }}
	r := payFor(h, good)
	r.Total = shown(5390)
	var changed *CostsError
	if _, _, err := s.Pay(t.Context(), r); !errors.As(err, &changed) || changed.Costs.Total.Minor != 5590 {
		t.Fatalf("%v", err)
	}
	if n := w.count(`select count(*) from orders`) + w.count(`select count(*) from payment`) + w.count(`select count(*) from order_delivery`); n != 0 {
		t.Fatalf("%d rows were left", n)
	}
	if found, err := s.Find(t.Context(), h.ID, h.Buyer); err != nil || found.State != stock.Held {
		t.Fatalf("the hold is %s, %v", found.State, err)
	}
	r.Total = shown(5590)
	if o := w.paid(s, r); o.Total.Minor != 5590 || w.charged() != 5590 {
		t.Fatalf("%d is charged", w.charged())
	}
}

// A decline frees the hold for another try, elsewhere: a new order with costs of its own.
func TestDeclineThenAnotherAddress(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	first := payFor(h, bad)
	w.notPaid(s, first, ErrDeclined)
	second := sentTo(h, good, "US-MN", "55401")
	o := w.paid(s, second)
	if o.Total.Minor != 4900+1990+337 || o.Costs.Zone != delivery.World || o.Costs.Tax.Region != "US-MN" || o.Delivery.Country != "US" {
		t.Fatalf("%+v", o)
	}
	declined, err := order.Get(t.Context(), w.db, first.Order)
	if err != nil || declined.Total.Minor != 5390 || declined.Delivery.Country != "IT" || declined.State != order.Cancelled {
		t.Fatalf("%+v %v", declined, err)
	}
	w.deliver(s)
	for account, want := range map[string]int{"provider:sandbox:receivable": 7227, "tax:US-MN:payable": -337, "tax:IT:payable": 0, "creator:" + w.creator.ID.String() + ":payable": -6890} {
		if got := w.count(`select coalesce(sum(amount), 0) from ledger_entry where account = $1`, account); got != want {
			t.Errorf("%s holds %d, want %d", account, got, want)
		}
	}
}

// Two pay taps of one hold with two addresses: the first one stands, and the other is told so.
func TestTwoAddressesAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	var taps errgroup.Group
	paid := make(chan order.Order, 2)
	for _, r := range []PayRequest{payFor(h, good), sentTo(h, good, "DE", "10115")} {
		taps.Go(func() error {
			o, _, err := s.Pay(t.Context(), r)
			if errors.Is(err, ErrOrderConflict) {
				return nil
			}
			if err == nil {
				paid <- o
			}
			return err
		})
	}
	if err := taps.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(paid) != 1 {
		t.Fatalf("%d orders stand", len(paid))
	}
	o := <-paid
	if got := int(o.Total.Minor); got != w.charged() {
		t.Fatalf("%d is charged for an order of %d", w.charged(), got)
	}
	// The same order again with another address is the same order.
	other := sentTo(h, good, "FR", "75001")
	other.Order = o.ID
	again, created, err := s.Pay(t.Context(), other)
	if err != nil || created || again.Costs != o.Costs || *again.Delivery != *o.Delivery {
		t.Fatalf("%+v %v", again, err)
	}
	if w.count(`select count(*) from order_delivery`) != 1 {
		t.Fatal("another address was written")
	}
}

func TestWhereNothingCanBeSent(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	h := w.hold(s, "gst_a")
	w.notPaid(s, sentTo(h, good, "XX", "1"), delivery.ErrAddress)
	w.notPaid(s, sentTo(h, good, "US", "90210"), delivery.ErrRegion)
	w.notPaid(s, sentTo(h, good, "IT", "90210-1234"), delivery.ErrAddress)
	nowhere := payFor(h, good)
	nowhere.Delivery = delivery.Address{}
	w.notPaid(s, nowhere, delivery.ErrAddress)
	broken := payFor(h, good)
	broken.Delivery.Line1 = "Via\ndel Ponte"
	w.notPaid(s, broken, delivery.ErrAddress)
	w.exec(`delete from delivery_rate where zone = 'world'`)
	w.notPaid(s, sentTo(h, good, "JP", "100-0001"), delivery.ErrUnavailable)
	if _, err := s.Costs(t.Context(), h.ID, h.Buyer, delivery.Address{Country: "JP"}); !errors.Is(err, delivery.ErrUnavailable) {
		t.Fatal(err)
	}
	for _, who := range []string{"", "gst_b"} {
		if _, err := s.Costs(t.Context(), h.ID, who, delivery.Address{Country: "IT"}); !errors.Is(err, ErrUnknown) {
			t.Fatalf("%q: %v", who, err)
		}
	}
	if w.count(`select count(*) from orders`) != 0 || w.calls.Load() != 0 {
		t.Fatal("something was made of it")
	}
	w.paid(s, payFor(h, good)) // the hold has lived through all of it
}

// No total beyond what an amount can be is ever made, whatever delivery costs.
func TestTotalBeyondAllAmounts(t *testing.T) {
	w := newWorld(t, 2)
	s := w.service()
	w.exec(`update delivery_rate set amount = $1::bigint - 4900 + case zone when 'domestic' then 0 else 1 end where currency = 'EUR'`, money.Max)
	h := w.hold(s, "gst_a")
	w.notPaid(s, sentTo(h, good, "DE", "10115"), money.ErrRange)
	w.notPaid(s, sentTo(h, good, "US-CA", "90210"), money.ErrRange)
	if _, err := s.Costs(t.Context(), h.ID, h.Buyer, delivery.Address{Country: "DE"}); !errors.Is(err, money.ErrRange) {
		t.Fatal(err)
	}
	if c, err := s.Costs(t.Context(), h.ID, h.Buyer, delivery.Address{Country: "IT"}); err != nil || c.Total.Minor != money.Max {
		t.Fatalf("at the limit: %+v %v", c, err)
	}
}

func TestYenHaveNoDecimals(t *testing.T) {
	w := newWorld(t, 1)
	s := w.service()
	w.exec(`update variant set currency = 'JPY', amount = 6000`)
	h := w.hold(s, "gst_a")
	o := w.paid(s, payFor(h, good))
	if o.Total.String() != "6600 JPY" || o.Costs.Tax.Amount.String() != "1190 JPY" {
		t.Fatalf("%+v", o)
	}
	w.deliver(s)
	w.expect(o.ID, "captured captured sold")
}

// Somebody with an account may keep the address; a guest's goes nowhere but to the order.
func TestAnAddressIsKeptWhenAsked(t *testing.T) {
	w := newWorld(t, 4)
	s := w.service()
	vic := commerce.NewID[commerce.AccountID]()
	w.exec(`insert into account (id, email, name, roles, password_hash) values ($1, 'vic@example.com', 'Vic', '{viewer}', 'x')`, vic)
	pay := func(buyer, place, postcode, number string, save bool) {
		r := sentTo(w.hold(s, buyer), number, place, postcode)
		r.Save = save
		if _, _, err := s.Pay(t.Context(), r); err != nil && !errors.Is(err, ErrDeclined) {
			t.Fatal(err)
		}
	}
	kept := func() string {
		a, ok, err := delivery.Saved(t.Context(), w.db, vic)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%v %s", ok, a.Country)
	}
	pay(vic.String(), "IT", "30124", good, false)
	if got := kept(); got != "false " {
		t.Fatal(got)
	}
	pay(vic.String(), "DE", "D-10115", good, true)
	if got := kept(); got != "true DE" {
		t.Fatal(got)
	}
	pay("gst_"+strings.Repeat("a", 32), "FR", "75001", good, true)
	if n := w.count(`select count(*) from account_address`); n != 1 {
		t.Fatalf("%d addresses are kept", n)
	}
	pay(vic.String(), "AT", "1010", bad, true) // it is the address that was asked to be kept, not the card
	if got := kept(); got != "true AT" {
		t.Fatal(got)
	}
}

// Where somebody lives stands with their order and their account, and in nothing that is told or sent.
func TestNoAddressIsTold(t *testing.T) {
	w := newWorld(t, 3)
	var said strings.Builder
	s := w.service(func(_ *stock.Config, c *Config) { c.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	h := w.hold(s, "gst_a")
	w.notPaid(s, payFor(h, bad), ErrDeclined)
	w.paid(s, payFor(h, good))
	w.notPaid(s, payFor(w.hold(s, "gst_b"), errors5), ErrPending)
	for range 3 {
		_, _ = s.RedriveDue(t.Context()) // some of them are told in the log
	}
	w.deliver(s)
	rows, err := w.db.Query(t.Context(), `
		select 'outbox', string_agg(t::text, ' ') from outbox t union all select 'payment', string_agg(t::text, ' ') from payment t union all
		select 'orders', string_agg(t::text, ' ') from orders t union all select 'order_line', string_agg(t::text, ' ') from order_line t union all
		select 'ledger', string_agg(t::text, ' ') from ledger_transaction t union all select 'charge', string_agg(t::text, ' ') from sandbox.charge t union all
		select 'order_delivery', string_agg(t::text, ' ') from order_delivery t`)
	if err != nil {
		t.Fatal(err)
	}
	var table string
	var content *string
	seen := 0
	if _, err := pgx.ForEachRow(rows, []any{&table, &content}, func() error {
		seen++
		if content == nil {
			return fmt.Errorf("%s is empty", table)
		}
		if found := strings.Contains(*content, "Via del Ponte") || strings.Contains(*content, "30124"); found != (table == "order_delivery") {
			t.Errorf("the address is in %s: %v", table, found)
		}
		return nil
	}); err != nil || seen != 7 {
		t.Fatal(seen, err)
	}
	if strings.Contains(said.String(), "Ponte") || strings.Contains(said.String(), "30124") {
		t.Errorf("the log has the address: %s", said.String())
	}
}

// Whatever is bought wherever: what is charged is the sum of its parts, and the ledger owes on exactly that.
func TestEveryOrderAddsUp(t *testing.T) {
	w := newWorld(t, stock.MaxOnHand)
	s := w.service()
	places := map[string]string{"IT": "30124", "DE": "10115", "FI": "00100", "GB": "SW1A 1AA", "US-CA": "90210", "US-OR": "97035", "CA-QC": "H2X 1Y4", "JP": "100-0001", "AE": ""}
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		tap := w.tap(fmt.Sprintf("gst_%d", n))
		tap.Quantity = rapid.IntRange(1, 3).Draw(rt, "quantity")
		s.Changed(t.Context(), w.put(w.show, rapid.Int64Range(1, 1_000_000).Draw(rt, "price"), stock.MaxOnHand)...)
		h, err := s.Hold(t.Context(), tap)
		if err != nil {
			rt.Fatal(err)
		}
		place := rapid.SampledFrom([]string{"IT", "DE", "FI", "GB", "US-CA", "US-OR", "CA-QC", "JP", "AE"}).Draw(rt, "place")
		r := sentTo(h, good, place, places[place])
		costs, err := s.Costs(t.Context(), h.ID, h.Buyer, r.Delivery)
		if err != nil {
			rt.Fatal(err)
		}
		r.Total = shown(costs.Total.Minor)
		o, _, err := s.Pay(t.Context(), r)
		if err != nil {
			rt.Fatal(err)
		}
		added := o.Costs.Tax.Amount.Minor
		base := o.Costs.Goods.Minor
		if o.Costs.Tax.Included {
			base, added = base+o.Costs.Delivery.Minor, 0
		}
		if o.Costs != costs || o.Costs.Goods != h.Total || o.Total.Minor != o.Costs.Goods.Minor+o.Costs.Delivery.Minor+added || o.Costs.Tax.Amount.Minor > base {
			rt.Fatalf("%+v", o.Costs)
		}
		p, err := payment.OfOrder(t.Context(), w.db, o.ID)
		if err != nil || p.Amount != o.Total {
			rt.Fatalf("%v is charged for %v, %v", p.Amount, o.Total, err)
		}
		off := w.count(`select sum(amount) + 0 from ledger_entry where ref = $1`, "sale:"+o.ID.String())
		owed := w.count(`select coalesce(-sum(amount), 0) from ledger_entry where ref = $1 and account like 'tax:%'`, "sale:"+o.ID.String())
		if off != 0 || int64(owed) != o.Costs.Tax.Amount.Minor {
			rt.Fatalf("the ledger is off by %d and owes a tax of %d for %+v", off, owed, o.Costs)
		}
	})
}
