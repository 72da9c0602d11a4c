package mail

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/mail/mailtest"
)

const sender = "Rialto à la carte <shop@shop.test>"

func newSMTP(t *testing.T, address string) *SMTP {
	t.Helper()
	s, err := NewSMTP(address, sender)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func letterTo(t *testing.T, to string) Message {
	t.Helper()
	l := whole()
	l.Subject = "Receipt R-00000012: Kupferpfanne für Crêpes 🍳 and a subject that is longer than one line of a header can be at all"
	m, err := l.render("Rialto", "https://shop.test")
	if err != nil {
		t.Fatal(err)
	}
	m.ID, m.To = "mail:order:ord_1", to
	return m
}

func TestARealServerDeliversWhatWasSent(t *testing.T) {
	server := mailtest.New(t)
	server.Start()
	s := newSMTP(t, server.URL())
	m := letterTo(t, "Ann@example.com")
	for range 2 { // the second one after a kill that left no note of the first
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	arrived := server.Await("ann", 2)
	got := arrived[0]
	if got.Subject != m.Subject || got.Text != m.Text || got.HTML != m.HTML {
		t.Errorf("it arrived as %q\n%s\n%s", got.Subject, got.Text, got.HTML)
	}
	if got.From.Name != "Rialto à la carte" || got.From.Address != "shop@shop.test" || got.Header.Get("To") != "<Ann@example.com>" {
		t.Errorf("from %v to %q", got.From, got.Header.Get("To"))
	}
	id := got.Header.Get("Message-ID")
	if id != arrived[1].Header.Get("Message-ID") || !strings.HasSuffix(id, "@shop.test>") || strings.Contains(id, "ord_1") {
		t.Errorf("Message-ID %q and %q", id, arrived[1].Header.Get("Message-ID"))
	}
	if sent, err := got.Header.Date(); err != nil || time.Since(sent) > time.Minute || time.Since(sent) < -time.Minute {
		t.Errorf("Date %v, %v", sent, err)
	}
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "Return-Path": "<shop@shop.test>", "Bcc": "", "X-Mailer": "", "User-Agent": ""} {
		if got := got.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, line := range strings.Split(got.Raw, "\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	other := m
	other.ID = "mail:order:ord_2"
	if err := s.Send(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, later := range server.Await("ann", 3) {
		if later.Header.Get("Message-ID") != id {
			return
		}
	}
	t.Error("two mails have one Message-ID")
}

func TestTheWayToTheServerIsSecret(t *testing.T) {
	server := mailtest.New(t)
	server.Close()
	server.Start()
	m := letterTo(t, "ann@example.com")

	// In the clear it lets nobody in, and that says nothing about the recipient.
	if err := newSMTP(t, server.URL()).Send(t.Context(), m); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("without TLS: %v", err)
	}
	// A certificate that nobody vouches for ends it before the password is said.
	err := newSMTP(t, server.SecureURL()).Send(t.Context(), m)
	if err == nil || errors.Is(err, ErrRefused) || strings.Contains(err.Error(), mailtest.Password) {
		t.Errorf("with a certificate of nobody: %v", err)
	}
	s := newSMTP(t, server.SecureURL())
	s.roots = server.Roots()
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	server.Await("ann", 1)
	wrong := newSMTP(t, strings.Replace(server.SecureURL(), mailtest.Password, "not-that-one", 1))
	wrong.roots = server.Roots()
	if err := wrong.Send(t.Context(), m); err == nil || errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "not-that-one") {
		t.Errorf("with a wrong password: %v", err)
	}
	if n := len(server.Received("ann")); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestARealServerSaysNoOrLater(t *testing.T) {
	server := mailtest.New(t)
	s := newSMTP(t, server.URL())
	m := letterTo(t, "later@example.com")
	if err := s.Send(t.Context(), m); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("no server: %v", err)
	}
	server.Start()
	if err := s.Send(t.Context(), m); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("greylisted: %v", err)
	}
	server.Know()
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	server.Await("later", 1)
	if err := s.Send(t.Context(), letterTo(t, "nobody@example.com")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "no such person") {
		t.Errorf("unknown: %v", err)
	}
	server.Stop()
	if err := s.Send(t.Context(), m); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("gone again: %v", err)
	}
}
