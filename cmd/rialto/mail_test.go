package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/commerce/mail/mailtest"
)

// mailing sends its mails to a server.
func mailing(server *mailtest.Server) func(*Config) {
	return func(c *Config) { c.SMTPURL, c.MailFrom = server.URL(), "Mara's Küche <shop@shop.test>" }
}

// buy pays for one unit, with an address of mail.
func (p *person) buy(w ware, email string) (order string) {
	p.t.Helper()
	order = orderPath()
	body := paying(p.hold(w, 1), cardGood)
	body["email"] = email
	p.want(http.StatusCreated, "", http.MethodPut, order, body)
	return order
}

var orderLink = regexp.MustCompile(`https?://\S+(/orders/\S+)`)

// A mail server that is away holds up nobody; when it is back, the mail comes, and its link opens the order.
func TestTheReceiptComesByMail(t *testing.T) {
	m, server := newMarket(t), mailtest.New(t)
	n := m.node(mailing(server))
	mara := n.signUp("mara", "creator")
	buyer := n.guest()
	path := buyer.buy(mara.sell(mara.newShow(), 3), "vic@example.com")
	eventually(t, "a try that finds no server", func() bool {
		return m.count(`select count(*) from outbox where kind = 'mail.order' and attempts > 0 and last_error is not null and parked_at is null`) == 1
	})
	eventually(t, "the money is taken meanwhile", func() bool {
		return buyer.want(http.StatusOK, "", http.MethodGet, path, nil).text("state") == "captured"
	})
	server.Start()
	got := server.Await("vic", 1)[0]
	receipt := buyer.want(http.StatusOK, "", http.MethodGet, path, nil).body["receipt"].(map[string]any)["number"].(string)
	if got.Subject != "Receipt "+receipt+": Copper pan 28 cm" || got.From.Name != "Mara's Küche" || got.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("it came as %q from %v: %v", got.Subject, got.From, got.Header)
	}
	for _, want := range []string{receipt, "Copper pan 28 cm", "49.00 EUR", "Mara's kitchen"} {
		if !strings.Contains(got.Text, want) || !strings.Contains(got.HTML, strings.ReplaceAll(want, "'", "&#39;")) {
			t.Errorf("a part does not say %q:\n%s", want, got.Text)
		}
	}
	link := orderLink.FindStringSubmatch(got.Text)
	if link == nil || !strings.HasPrefix(link[0], n.url) || !strings.Contains(got.HTML, `href="`+link[0]+`"`) {
		t.Fatalf("no link of ours in\n%s", got.Text)
	}
	if page := get(t, link[0]); page.status != http.StatusOK || !strings.Contains(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("the link's page: %d", page.status)
	}
	stranger := n.guest()
	stranger.want(http.StatusNotFound, "order_unknown", http.MethodGet, path, nil)
	if o := stranger.want(http.StatusOK, "", http.MethodGet, link[1], nil); o.text("email") != "vic@example.com" {
		t.Errorf("the link opens %s", o)
	}
	eventually(t, "it is noted", func() bool {
		return m.count(`select count(*) from outbox where kind = 'mail.order' and done_at is not null`) == 1
	})
	if n := len(server.Received("vic")); n != 1 {
		t.Errorf("%d mails of one order", n)
	}
}

// A mail that nobody takes is put aside with the server's words, one that shall come again does, and orders are the
// buyers' all the same.
func TestWhatAMailServerSaysReachesTheOutbox(t *testing.T) {
	m, server := newMarket(t), mailtest.New(t)
	server.Start()
	n := m.node(mailing(server))
	mara := n.signUp("mara", "creator")
	w := mara.sell(mara.newShow(), 3)
	buyer := n.guest()
	lost, late := buyer.buy(w, "nobody@example.com"), buyer.buy(w, "later@example.com")
	about := func(path, where string) int {
		return m.count(`select count(*) from outbox where kind = 'mail.order' and ref = 'mail:order:' || $1 and `+where, strings.TrimPrefix(path, "/orders/"))
	}
	eventually(t, "the first is put aside", func() bool { return about(lost, `parked_at is not null and last_error like '%no such person%'`) == 1 })
	eventually(t, "the second is told to come again", func() bool {
		return about(late, `attempts > 0 and parked_at is null and last_error like '%come again%'`) == 1
	})
	server.Know()
	if got := server.Await("later", 1)[0]; !strings.Contains(got.Text, late) {
		t.Errorf("it is about another order:\n%s", got.Text)
	}
	for _, path := range []string{lost, late} {
		eventually(t, "the order is paid", func() bool {
			return buyer.want(http.StatusOK, "", http.MethodGet, path, nil).text("state") == "captured"
		})
	}
	eventually(t, "it is noted", func() bool { return about(late, "done_at is not null") == 1 })
	m.clean(n)
	metrics := get(t, "http://"+n.admin.Addr().String()+"/metrics")
	for _, result := range []string{"sent", "refused", "later"} {
		if want := fmt.Sprintf(`rialto_commerce_mail_sent_total{kind="mail.order",result=%q}`, result); !strings.Contains(string(metrics.raw), want) {
			t.Errorf("%s is not counted", want)
		}
	}
	if said := m.log.String(); strings.Contains(said, "nobody@") || !strings.Contains(said, "no such person") {
		t.Errorf("the log names people, or not what happened: %s", said)
	}
}

// The link may be opened at another node than the one that was asked.
func TestAForgottenPasswordComesByMail(t *testing.T) {
	m, server := newMarket(t), mailtest.New(t)
	server.Start()
	n, other := m.node(mailing(server)), m.node(mailing(server))
	ann := n.signUp("ann")
	n.guest().want(http.StatusAccepted, "", http.MethodPost, "/password-resets", map[string]any{"email": "ann@example.com"})
	_, token, found := strings.Cut(server.Await("ann", 1)[0].Text, "/reset#")
	if token, _, _ = strings.Cut(token, "\n"); !found {
		t.Fatal("no link")
	}
	phone := other.guest()
	phone.want(http.StatusOK, "", http.MethodPost, "/password-resets/redeem", map[string]any{"token": token, "password": "a-lantern-over-water"})
	if me := phone.want(http.StatusOK, "", http.MethodGet, "/me", nil); me.text("subject") != ann.subject {
		t.Errorf("signed in as %s", me)
	}
	if me := ann.want(http.StatusOK, "", http.MethodGet, "/me", nil); me.body["account"] != nil {
		t.Error("the other browser is still signed in")
	}
	if told := server.Await("ann", 2); told[0].Subject != "Your password was changed" && told[1].Subject != "Your password was changed" {
		t.Errorf("nobody is told: %q and %q", told[0].Subject, told[1].Subject)
	}
}

// Mails can be read by everybody only where the program is tried out, and never beside a mail server.
func TestOnlyDevHasAMailbox(t *testing.T) {
	m, server := newMarket(t), mailtest.New(t)
	for name, n := range map[string]*running{"without mail": m.node(), "with a mail server": m.node(mailing(server))} {
		guest := n.guest()
		guest.want(http.StatusNotFound, "mailbox_off", http.MethodGet, "/mailbox", nil)
		me := guest.want(http.StatusOK, "", http.MethodGet, "/me", nil)
		if me.body["mailbox"] != false || me.body["mail"] != (name == "with a mail server") {
			t.Errorf("%s: %s", name, me)
		}
	}
	d := newDev(t, "--demo=false")
	d.start()
	ann := signUp(t, d.url, "ann")
	if me := ann.want(http.StatusOK, "", http.MethodGet, "/me", nil); me.body["mailbox"] != true || me.body["mail"] != true {
		t.Errorf("dev: %s", me)
	}
	ann.want(http.StatusAccepted, "", http.MethodPost, "/password-resets", map[string]any{"email": "ann@example.com"})
	eventually(t, "the mail is in the mailbox", func() bool {
		return strings.Contains(string(ann.want(http.StatusOK, "", http.MethodGet, "/mailbox", nil).raw), "Set a new password")
	})
}

func TestMailSettingsAreJudged(t *testing.T) {
	for _, c := range []struct{ url, from, want string }{
		{"", "", ""},
		{"smtp://mail.example", "Rialto <shop@example.com>", ""},
		{"smtp://mail.example", "", "belong together"},
		{"", "Rialto <shop@example.com>", "belong together"},
		{"smtp://shop:hidden@mail.example?tls=perhaps", "Rialto <shop@example.com>", "SMTP_URL"},
		{"smtp://mail.example", "Rialto", "MAIL_FROM"},
	} {
		var out, errs strings.Builder
		run(t.Context(), []string{"serve"}, terminal{strings.NewReader(""), &out, &errs, []string{"SMTP_URL=" + c.url, "MAIL_FROM=" + c.from}})
		said := errs.String()
		if c.want == "" && (strings.Contains(said, "SMTP_URL") || strings.Contains(said, "MAIL_FROM")) || !strings.Contains(said, c.want) || strings.Contains(said, "hidden") {
			t.Errorf("%q and %q: %s", c.url, c.from, said)
		}
	}
}
