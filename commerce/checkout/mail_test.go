package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/order"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

// postman is a mailer that remembers.
type postman struct {
	mu   sync.Mutex
	sent []mail.Message
	fail error
}

func (p *postman) Send(_ context.Context, m mail.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, m)
	return p.fail
}

func (p *postman) all() []mail.Message {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sent)
}

func (p *postman) with(t *testing.T) func(*stock.Config, *Config) {
	return func(_ *stock.Config, c *Config) {
		mails, err := mail.New(mail.Config{Mailer: p, Shop: "Rialto", Home: "https://shop.test", Registerer: prometheus.NewRegistry(), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		c.Mail = mails
		c.OrderURL = func(id commerce.OrderID, _ time.Time) (string, error) {
			return "https://shop.test/orders/" + id.String() + "?link=x", nil
		}
	}
}

func TestABuyerIsMailedTheReceiptOnce(t *testing.T) {
	w := newWorld(t, 5)
	post := &postman{}
	s := w.service(post.with(t))
	tap := w.tap("gst_1")
	tap.Quantity = 2
	h, err := s.Hold(t.Context(), tap)
	if err != nil {
		t.Fatal(err)
	}
	r := payFor(h, good)
	r.Name = "Vic\u2028<b>Bcc: all@example.com"
	o := w.paid(s, r)
	w.paid(s, r) // the tap again
	if n := w.count(`select count(*) from outbox where kind = $1 and ref = 'mail:order:' || $2`, EffectOrderMail, o.ID.String()); n != 1 {
		t.Fatalf("%d mails of one order", n)
	}
	if len(post.all()) != 0 {
		t.Fatal("a mail before the outbox")
	}
	w.deliver(s)
	w.deliver(s) // as after a kill between the send and the note of it
	sent := post.all()
	if len(sent) != 2 || sent[0] != sent[1] {
		t.Fatalf("the mail is not the same each time: %+v", sent)
	}
	m := sent[0]
	if m.To != "vic@example.com" || m.ID != "mail:order:"+o.ID.String() || m.Subject != "Receipt "+o.Receipt+": Copper pan 28 cm" {
		t.Errorf("mail %+v", m)
	}
	for _, want := range []string{o.Receipt, "Copper pan 28 cm", "2 × 49.00 EUR", "98.00 EUR", o.Total.String(), "Via del Ponte 4", "30124 Venezia", "Italy",
		"Mara's kitchen", "https://shop.test/orders/" + o.ID.String() + "?link=x"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("the text does not say %q:\n%s", want, m.Text)
		}
		if !strings.Contains(m.HTML, strings.ReplaceAll(want, "'", "&#39;")) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(m.HTML, "<b>Bcc") || !strings.Contains(m.Text, "Thank you, Vic <b>Bcc: all@example.com. It is yours.") {
		t.Errorf("what was typed is not shown as it was typed:\n%s", m.Text)
	}
}

// A bill reads as it adds up: what is in the prices already stands below the total.
func TestABillAddsUp(t *testing.T) {
	eur := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }
	vat := delivery.Tax{Amount: eur(1893), Rate: 22000, Included: true, Kind: "VAT", Region: "IT"}
	sales := delivery.Tax{Amount: eur(711), Rate: 7250, Kind: "Sales tax", Region: "US-CA"}
	for name, c := range map[string]struct {
		order order.Order
		want  string
	}{
		"a tax in the prices": {order.Order{Total: eur(10500), Costs: delivery.Costs{Delivery: eur(700), Tax: vat}, Delivery: &delivery.Address{}},
			"Delivery 7.00 EUR|*Total 105.00 EUR|of which VAT 22 % 18.93 EUR"},
		"a tax on top": {order.Order{Total: eur(12411), Costs: delivery.Costs{Delivery: eur(1900), Tax: sales}, Delivery: &delivery.Address{}},
			"Delivery 19.00 EUR|Sales tax 7.25 % 7.11 EUR|*Total 124.11 EUR"},
		"nothing but goods": {order.Order{Total: eur(9800), Costs: delivery.Costs{Delivery: eur(0)}, Delivery: &delivery.Address{}},
			"Delivery free|*Total 98.00 EUR"},
		"of before": {order.Order{Total: eur(9800)}, "*Total 98.00 EUR"},
	} {
		var lines []string
		for _, row := range costs(c.order) {
			line := row.Name + " " + row.Value
			if row.Strong {
				line = "*" + line
			}
			lines = append(lines, line)
		}
		if got := strings.Join(lines, "|"); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The order is the buyer's whatever becomes of its mail.
func TestARefusedMailChangesNothingOfTheOrder(t *testing.T) {
	w := newWorld(t, 1)
	post := &postman{fail: mail.ErrRefused}
	s := w.service(post.with(t))
	o := w.paid(s, payFor(w.hold(s, "gst_1"), good))
	payload, err := json.Marshal(aboutOrder{Order: o.ID})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Handlers()[EffectOrderMail](t.Context(), outbox.Message{ID: "mail:order:x", Kind: EffectOrderMail, Data: payload, Created: time.Now()})
	if !errors.Is(err, mail.ErrRefused) {
		t.Errorf("%v", err)
	}
	w.expect(o.ID, "confirmed authorised sold")
}

func TestNobodyIsWrittenToWithoutMail(t *testing.T) {
	w := newWorld(t, 1)
	bank := newBank()
	s := w.service(bank.with(), func(_ *stock.Config, c *Config) { c.PayFor = time.Second })
	o := w.paid(s, payFor(w.hold(s, "gst_1"), good))
	if n := w.count(`select count(*) from outbox where kind like 'mail.%'`); n != 0 || s.Handlers()[EffectOrderMail] != nil {
		t.Errorf("%d mails of %s, and a handler %t", n, o.ID, s.Handlers()[EffectOrderMail] != nil)
	}
}

// Whoever left for their bank and did not come back in time is told that nothing was taken, once that is sure.
func TestWhoLeftForTheirBankIsToldThatNothingWasTaken(t *testing.T) {
	w := newWorld(t, 5)
	post, bank := &postman{}, newBank()
	s := w.service(bank.with(), post.with(t))
	gone, _ := w.waiting(s, w.hold(s, "gst_1"))
	w.paid(s, payFor(w.hold(s, "gst_2"), good))
	w.notPaid(s, payFor(w.hold(s, "gst_3"), bad), ErrDeclined)
	w.exec(`update payment set deadline = now(), next_at = now() where state = 'requires_action'`)
	w.exec(`delete from outbox where kind = $1`, EffectOrderMail)

	bank.around = func(call string, done bool) error {
		if call == "void" && !done {
			return payment.ErrOutcomeUnknown
		}
		return nil
	}
	if _, err := s.RedriveDue(t.Context()); err == nil {
		t.Fatal("a void without an answer")
	}
	w.expect(gone.Order, "pending voiding paying")
	m := w.endedMail()
	if err := s.Handlers()[EffectEndedMail](t.Context(), m); err == nil || len(post.all()) != 0 {
		t.Fatalf("%v: it was said that nothing was taken before that was known", err)
	}
	bank.around = func(string, bool) error { return nil }
	w.exec(`update payment set next_at = now(), driven_until = null where state = 'voiding'`)
	if _, err := s.RedriveDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.expect(gone.Order, "cancelled voided released")
	w.deliver(s)
	sent := post.all()
	if len(sent) != 1 || sent[0].To != "vic@example.com" || sent[0].ID != "mail:ended:"+gone.Order.String() || sent[0].Subject != "Nothing was taken: Copper pan 28 cm" {
		t.Fatalf("mails %+v", sent)
	}
	if strings.Contains(sent[0].Text, gone.Name) {
		t.Error("what somebody typed who did not pay is mailed to an address that they typed")
	}
}

// A bank that ends the payment itself is the same; one that says no is answered on the page.
func TestWhatABankEndsIsTold(t *testing.T) {
	for to, want := range map[payment.Status]int{payment.ChargeVoided: 1, payment.ChargeDeclined: 0, payment.ChargeAuthorised: 0} {
		t.Run(string(to), func(t *testing.T) {
			w := newWorld(t, 5)
			post, bank := &postman{}, newBank()
			s := w.service(bank.with(), post.with(t))
			_, p := w.waiting(s, w.hold(s, "gst_1"))
			bank.settle(p.Reference(), to)
			w.exec(`update payment set next_at = now()`)
			if _, err := s.RedriveDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := w.count(`select count(*) from outbox where kind = $1`, EffectEndedMail); n != want {
				t.Errorf("%d mails, want %d", n, want)
			}
		})
	}
}

func (w *world) endedMail() (m outbox.Message) {
	w.t.Helper()
	var payload []byte
	err := w.db.QueryRow(w.t.Context(), `select kind, ref, payload, created_at from outbox where kind = $1`, EffectEndedMail).
		Scan(&m.Kind, &m.ID, &payload, &m.Created)
	if err != nil {
		w.t.Fatal(err)
	}
	m.Data = payload
	return m
}
