package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/outbox"
)

// office is a site that sends mails into its mailbox, and what the dispatcher needs to do so.
type office struct {
	*site
	accounts *account.Service
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{}
	o.site = newSite(t, func(c *api.Config) {
		c.Mailbox = mail.NewMailbox(c.Pool)
		mails, err := mail.New(mail.Config{Mailer: c.Mailbox, Shop: "Rialto", Home: "https://shop.test", Registerer: prometheus.NewRegistry(), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		o.accounts = c.Accounts.WithMail(mails, c.Signer)
		c.Accounts = o.accounts
	})
	return o
}

// deliver hands every mail that waits to its handler, as the dispatcher does, and says how many there were.
func (o *office) deliver() int {
	o.t.Helper()
	rows, err := o.pool.Query(o.t.Context(), `select kind, ref, payload, created_at from outbox where lane = 'effect' and done_at is null order by id`)
	if err != nil {
		o.t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m outbox.Message, err error) {
		var payload []byte
		err = row.Scan(&m.Kind, &m.ID, &payload, &m.Created)
		m.Data = payload
		return m, err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, m := range all {
		if err := o.accounts.Handlers()[m.Kind](o.t.Context(), m); err != nil {
			o.t.Fatalf("%s: %v", m.ID, err)
		}
		if _, err := o.pool.Exec(o.t.Context(), `update outbox set done_at = now() where kind = $1 and ref = $2`, m.Kind, m.ID); err != nil {
			o.t.Fatal(err)
		}
	}
	return len(all)
}

// mails reads the mailbox over HTTP, newest first.
func (o *office) mails() (all []map[string]any) {
	o.t.Helper()
	list := o.browser().want(http.StatusOK, "", "GET", "/mailbox", nil)
	for _, head := range list.body["mails"].([]any) {
		all = append(all, o.browser().want(http.StatusOK, "", "GET", "/mailbox/"+head.(map[string]any)["id"].(string), nil).body)
	}
	return all
}

// token takes the token out of a mail's link.
func (o *office) token(mail map[string]any) string {
	o.t.Helper()
	_, rest, found := strings.Cut(mail["text"].(string), "https://shop.test/reset#")
	if !found {
		o.t.Fatalf("no link in %q", mail["text"])
	}
	token, _, _ := strings.Cut(rest, "\n")
	return token
}

func (o *office) ask(email string) {
	o.t.Helper()
	r := o.browser().want(http.StatusAccepted, "", "POST", "/password-resets", map[string]any{"email": email})
	if strings.TrimSpace(string(r.raw)) != "{}" {
		o.t.Fatalf("the answer tells something: %s", r.raw)
	}
}

func redeem(token, password string) map[string]any {
	return map[string]any{"token": token, "password": password}
}

const (
	redeemPath = "/password-resets/redeem"
	newer      = "a-lantern-over-water"
)

func TestAForgottenPasswordIsSetByAMailedLink(t *testing.T) {
	o := newOffice(t)
	phone, id := o.signUp("ann", "viewer")
	o.ask(" Ann@Example.com ")
	if o.deliver() != 1 {
		t.Fatal("one mail was asked for")
	}
	sent := o.mails()
	if len(sent) != 1 || sent[0]["to"] != "ann@example.com" || sent[0]["subject"] != "Set a new password" || !strings.Contains(sent[0]["html"].(string), "/reset#") {
		t.Fatalf("mails %v", sent)
	}
	token := o.token(sent[0])
	if o.outbox("payload::text like '%' || $1 || '%'", token[:20]) != 0 {
		t.Error("a row holds the key to the account")
	}

	laptop := o.browser()
	before := laptop.want(http.StatusOK, "", "GET", "/me", nil)
	laptop.want(http.StatusUnprocessableEntity, "password_invalid", "POST", redeemPath, redeem(token, "short"))
	r := laptop.want(http.StatusOK, "", "POST", redeemPath, redeem(token, newer))
	if r.body["id"] != id {
		t.Errorf("signed in as %s", r.raw)
	}
	if me := laptop.want(http.StatusOK, "", "GET", "/me", nil); me.body["subject"] != id || before.body["subject"] == id {
		t.Errorf("the browser is %s", me.raw)
	}
	// All other sessions are over, and their connections are told.
	if me := phone.want(http.StatusOK, "", "GET", "/me", nil); me.body["account"] != nil {
		t.Error("the phone is still signed in")
	}
	if o.outbox("lane = 'control'") != 1 {
		t.Error("nobody ends the phone's connections")
	}
	// Once: neither with this password nor another one.
	for _, again := range []string{newer, "another-one-entirely"} {
		o.browser().want(http.StatusGone, "reset_invalid", "POST", redeemPath, redeem(token, again))
	}
	o.browser().want(http.StatusCreated, "", "POST", "/sessions", map[string]any{"email": "ann@example.com", "password": newer})
	o.browser().want(http.StatusUnauthorized, "credentials_wrong", "POST", "/sessions", map[string]any{"email": "ann@example.com", "password": password})
	// And it is told to whom it belongs.
	o.deliver()
	if sent := o.mails(); len(sent) != 2 || sent[0]["subject"] != "Your password was changed" {
		t.Errorf("mails %v", sent)
	}
}

func TestALinkDiesWithEveryOtherChangeOfThePassword(t *testing.T) {
	o := newOffice(t)
	b, _ := o.signUp("ann")
	o.ask("ann@example.com")
	o.ask("ann@example.com")
	o.deliver()
	first, second := o.token(o.mails()[1]), o.token(o.mails()[0])
	b.want(http.StatusNoContent, "", "PUT", "/me/password", map[string]any{"old": password, "new": newer})
	o.deliver()
	if sent := o.mails(); sent[0]["subject"] != "Your password was changed" {
		t.Errorf("a change is not told: %v", sent[0])
	}
	for _, token := range []string{first, second} {
		b.want(http.StatusGone, "reset_invalid", "POST", redeemPath, redeem(token, "another-one-entirely"))
	}
}

func TestTwoUsesOfALinkAtOnceAreOne(t *testing.T) {
	o := newOffice(t)
	o.signUp("ann")
	o.ask("ann@example.com")
	o.deliver()
	token := o.token(o.mails()[0])
	done := make(chan error, 4)
	for i := range cap(done) {
		go func() {
			_, err := o.accounts.Redeem(context.Background(), token, strings.Repeat(string(rune('a'+i)), 12))
			done <- err
		}()
	}
	won := 0
	for range cap(done) {
		if <-done == nil {
			won++
		}
	}
	var sessions int
	if err := o.pool.QueryRow(t.Context(), `select count(*) from session`).Scan(&sessions); err != nil || won != 1 || sessions != 1 {
		t.Errorf("%d uses, %d sessions, %v", won, sessions, err)
	}
}

// Whoever asks hears and costs the same, and only the person behind an account gets a mail.
func TestAskingTellsNothingAboutWhoHasAnAccount(t *testing.T) {
	o := newOffice(t)
	o.signUp("ann")
	o.ask("ann@example.com")
	o.ask("nobody@example.com")
	if n := o.outbox("kind = $1", account.EffectReset); n != 2 {
		t.Errorf("%d rows; the work of asking differs", n)
	}
	o.deliver()
	if sent := o.mails(); len(sent) != 1 || sent[0]["to"] != "ann@example.com" {
		t.Errorf("mails %v", sent)
	}
	// The limit of a mailbox holds for both, in all spellings, and from all addresses.
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		b := o.browser()
		for i, from := range []string{"10.0.0.1", "10.0.0.2"} {
			b.header.Set("Test-From", from)
			b.want(http.StatusAccepted, "", "POST", "/password-resets", map[string]any{"email": []string{email, strings.ToUpper(email)}[i]})
		}
		b.header.Set("Test-From", "10.0.0.3")
		if r := b.want(http.StatusTooManyRequests, "too_many_attempts", "POST", "/password-resets", map[string]any{"email": email}); r.header.Get("Retry-After") == "" {
			t.Error("it is not said when to come again")
		}
	}
	o.browser().want(http.StatusUnprocessableEntity, "email_invalid", "POST", "/password-resets", map[string]any{"email": "ann at home"})
}

func TestWhatIsNoLinkOfOursIsRefused(t *testing.T) {
	o := newOffice(t)
	_, id := o.signUp("ann")
	sign := func(c guard.Claims) string {
		token, err := o.signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	o.ask("ann@example.com")
	o.deliver()
	good := o.token(o.mails()[0])
	claims, err := o.signer.Verify(guard.Reset, good)
	if err != nil || claims.Subject != id {
		t.Fatalf("%+v, %v", claims, err)
	}
	if left := time.Until(time.Unix(claims.Expires, 0)); left > account.ResetLife+time.Minute || left < account.ResetLife-time.Minute {
		t.Errorf("the link works for %s", left)
	}
	expired, other, foreign := claims, claims, claims
	expired.Expires = time.Now().Add(-time.Second).Unix()
	other.Kind = guard.Order
	foreign.Subject = commerce.NewID[commerce.AccountID]().String()
	for name, token := range map[string]string{
		"nothing": "", "noise": "x.y", "too long": strings.Repeat("x", guard.MaxToken+1), "changed": good[:len(good)-4] + "AAAA", "expired": sign(expired),
		"of another kind": sign(other), "of an account that is not there": sign(foreign), "of no account": sign(guard.Claims{Kind: guard.Reset, Subject: "x"}),
	} {
		if r := o.browser().do("POST", redeemPath, redeem(token, newer)); r.status != http.StatusGone || r.body["code"] != "reset_invalid" {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	o.browser().want(http.StatusOK, "", "POST", redeemPath, redeem(good, newer))
}

// A mail server that was away for hours does not make links come out of nowhere.
func TestALateLinkIsNotSent(t *testing.T) {
	o := newOffice(t)
	_, id := o.signUp("ann")
	payload, err := json.Marshal(map[string]string{"account": id, "nonce": "n"})
	if err != nil {
		t.Fatal(err)
	}
	send := o.accounts.Handlers()[account.EffectReset]
	for _, age := range []time.Duration{account.ResetLife + time.Minute, account.ResetLife - time.Minute} {
		if err := send(t.Context(), outbox.Message{ID: "mail:reset:" + age.String(), Kind: account.EffectReset, Created: time.Now().Add(-age), Data: payload}); err != nil {
			t.Fatal(err)
		}
	}
	if sent := o.mails(); len(sent) != 1 {
		t.Errorf("%d mails", len(sent))
	}
}

func TestWithoutMailNothingIsPromised(t *testing.T) {
	s := newSite(t)
	b, _ := s.signUp("ann")
	me := b.want(http.StatusOK, "", "GET", "/me", nil)
	if me.body["mail"] != false || me.body["mailbox"] != false {
		t.Errorf("me %s", me.raw)
	}
	b.want(http.StatusServiceUnavailable, "mail_unavailable", "POST", "/password-resets", map[string]any{"email": "ann@example.com"})
	b.want(http.StatusNotFound, "mailbox_off", "GET", "/mailbox", nil)
	b.want(http.StatusNotFound, "mailbox_off", "GET", "/mailbox/"+commerce.NewID[commerce.MailID]().String(), nil)
	b.want(http.StatusNoContent, "", "PUT", "/me/password", map[string]any{"old": password, "new": newer})
	if n := s.outbox("lane = 'effect'"); n != 0 {
		t.Errorf("%d mails wait for a server that is not there", n)
	}
	o := newOffice(t)
	if me := o.browser().want(http.StatusOK, "", "GET", "/me", nil); me.body["mail"] != true || me.body["mailbox"] != true {
		t.Errorf("me %s", me.raw)
	}
	o.browser().want(http.StatusNotFound, "mail_unknown", "GET", "/mailbox/"+commerce.NewID[commerce.MailID]().String(), nil)
}
