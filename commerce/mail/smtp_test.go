package mail

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

const hang = "" // an answer that never comes

// script is a server that answers each command as it is told to, "250 ok" else. It speaks for one connection.
type script struct {
	l net.Listener

	mu    sync.Mutex
	lines []string // what it was told
}

func newScript(t *testing.T, answers map[string]string) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{l: l}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(conn, answers)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return s
}

func (s *script) serve(conn net.Conn, answers map[string]string) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	say := func(command, otherwise string) bool {
		answer, told := answers[command]
		if !told {
			answer = otherwise
		}
		switch {
		case answer == hang:
			for in.Scan() { // until the other side has had enough
			}
			return false
		case answer == "drop":
			return false
		}
		_, err := fmt.Fprintf(conn, "%s\r\n", answer)
		return err == nil
	}
	if !say("greeting", "220 script") {
		return
	}
	for data := false; in.Scan(); {
		line := in.Text()
		s.mu.Lock()
		s.lines = append(s.lines, line)
		s.mu.Unlock()
		command, _, _ := strings.Cut(line, " ")
		switch {
		case data && line != ".":
			continue
		case data:
			data = false
			command = "end"
		case command == "DATA":
			data = !slices.Contains([]string{"4", "5"}, answers["DATA"][:min(1, len(answers["DATA"]))])
			if !say(command, "354 go on") {
				return
			}
			continue
		}
		if !say(command, "250 ok") || command == "QUIT" {
			return
		}
	}
}

func (s *script) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

func (s *script) url(user, options string) string {
	return "smtp://" + user + s.l.Addr().String() + options
}

// Only what the server says for good about this recipient or this message is for good.
func TestWhatAServerSaysDecides(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string
		want    error // nil: sent; errLater: try again
	}{
		"all well":                         {nil, nil},
		"no time to greet":                 {map[string]string{"greeting": "421 4.3.2 too busy"}, errLater},
		"not for us":                       {map[string]string{"greeting": "554 no service here"}, errLater},
		"greets never":                     {map[string]string{"greeting": hang}, errLater},
		"hangs up":                         {map[string]string{"greeting": "drop"}, errLater},
		"not a mail server":                {map[string]string{"greeting": "HTTP/1.1 400 Bad Request"}, errLater},
		"does not like our name":           {map[string]string{"EHLO": "550 5.7.1 who", "HELO": "550 5.7.1 who"}, errLater},
		"does not like our sender":         {map[string]string{"MAIL": "550 5.7.1 sender refused"}, errLater},
		"sender later":                     {map[string]string{"MAIL": "451 4.3.0 later"}, errLater},
		"recipient unknown":                {map[string]string{"RCPT": "550 5.1.1 no such person"}, ErrRefused},
		"recipient later":                  {map[string]string{"RCPT": "450 4.7.1 greylisted"}, errLater},
		"mailbox full":                     {map[string]string{"RCPT": "452 4.2.2 full"}, errLater},
		"recipient, and no more":           {map[string]string{"RCPT": "drop"}, errLater},
		"never an answer to the recipient": {map[string]string{"RCPT": hang}, errLater},
		"no data":                          {map[string]string{"DATA": "554 5.5.1 no valid recipients"}, ErrRefused},
		"data later":                       {map[string]string{"DATA": "451 later"}, errLater},
		"content refused":                  {map[string]string{"end": "554 5.6.0 this is spam"}, ErrRefused},
		"content later":                    {map[string]string{"end": "451 4.3.0 disk full"}, errLater},
		"dies with the mail in hand":       {map[string]string{"end": "drop"}, errLater},
		"parts without a word":             {map[string]string{"QUIT": "drop"}, nil},
		"parts rudely":                     {map[string]string{"QUIT": "500 what"}, nil},
		"never parts":                      {map[string]string{"QUIT": hang}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newScript(t, c.answers)
			s := newSMTP(t, server.url("", ""))
			if slices.Contains([]string{"greets never", "never an answer to the recipient"}, name) {
				s.within = 100 * time.Millisecond
			}
			err := s.Send(t.Context(), letterTo(t, "ann@example.com"))
			if got := sentOr(err); got != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

var errLater = errors.New("later")

func sentOr(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		return ErrRefused
	}
	return errLater
}

func TestAStoppingProgramWaitsForNoServer(t *testing.T) {
	server := newScript(t, map[string]string{"RCPT": hang})
	s := newSMTP(t, server.url("", ""))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Send(ctx, letterTo(t, "ann@example.com")) }()
	for !slices.ContainsFunc(server.told(), func(line string) bool { return strings.HasPrefix(line, "RCPT") }) {
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestAPasswordIsSaidToNobodyElse(t *testing.T) {
	const secret = "Geheim-und-lang"
	b64 := base64.StdEncoding.EncodeToString([]byte("\x00shop\x00" + secret))
	// A server without TLS hears no password when TLS is demanded.
	plain := newScript(t, map[string]string{"EHLO": "250-script\r\n250 AUTH PLAIN LOGIN"})
	err := newSMTP(t, plain.url("shop:"+secret+"@", "?tls=starttls")).Send(t.Context(), letterTo(t, "ann@example.com"))
	if sentOr(err) != errLater || slices.ContainsFunc(plain.told(), func(line string) bool { return strings.HasPrefix(line, "AUTH") || strings.HasPrefix(line, "MAIL") }) {
		t.Errorf("%v; it was told %q", err, plain.told())
	}
	// One that repeats what it heard makes no error that does.
	rude := newScript(t, map[string]string{"EHLO": "250-script\r\n250 AUTH PLAIN", "AUTH": "535 you said " + b64 + " and that is " + secret})
	err = newSMTP(t, rude.url("shop:"+secret+"@", "")).Send(t.Context(), letterTo(t, "ann@example.com"))
	if sentOr(err) != errLater || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), b64) || !strings.Contains(err.Error(), "535") {
		t.Errorf("%v", err)
	}
	if !slices.Contains(rude.told(), "AUTH PLAIN "+b64) {
		t.Errorf("it was told %q", rude.told())
	}
}

func TestNothingIsAskedThatTheAddressDoesNotNeed(t *testing.T) {
	for to, want := range map[string]bool{"ann@example.com": false, "änne@example.com": true} {
		server := newScript(t, map[string]string{"EHLO": "250-script\r\n250-8BITMIME\r\n250 SMTPUTF8"})
		if err := newSMTP(t, server.url("", "")).Send(t.Context(), letterTo(t, to)); err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(server.told(), func(line string) bool { return strings.HasSuffix(line, " SMTPUTF8") }); got != want {
			t.Errorf("%s: it was told %q", to, server.told()[:3])
		}
		if !slices.Contains(server.told(), "EHLO shop.test") {
			t.Errorf("it was told %q", server.told()[:1])
		}
	}
}

// Whatever somebody typed, one recipient is named and no header of theirs is written.
func TestNoCommandAndNoHeaderIsTyped(t *testing.T) {
	server := newScript(t, nil)
	s := newSMTP(t, server.url("", ""))
	for _, to := range []string{"ann@example.com>\r\nRCPT TO:<bob@example.com", "ann@example.com\nbob@example.com", "<ann@example.com>", "ann"} {
		if err := s.Send(t.Context(), letterTo(t, to)); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", to, err)
		}
	}
	m := letterTo(t, "ann@example.com")
	m.Subject = "S\r\nBcc: bob@example.com"
	if err := s.Send(t.Context(), m); !errors.Is(err, ErrRefused) || len(server.told()) != 0 {
		t.Errorf("%v; it was told %q", err, server.told())
	}
}

func TestNoMailIsSentInsideATransaction(t *testing.T) {
	pool := schematest.Pool(t)
	server := newScript(t, nil)
	for name, mailer := range map[string]Mailer{"smtp": newSMTP(t, server.url("", "")), "mailbox": NewMailbox(pool)} {
		err := schema.InTx(t.Context(), pool, func(ctx context.Context, _ pgx.Tx, _ time.Time) error {
			return mailer.Send(ctx, letterTo(t, "ann@example.com"))
		})
		if !errors.Is(err, schema.ErrInTransaction) || len(server.told()) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettingsAreJudgedInPlainWords(t *testing.T) {
	for address, want := range map[string]string{
		"smtp://mail.example":                               "mail.example 587 starttls",
		"smtp://u:p%40ss@mail.example:25":                   "mail.example 25 starttls u p@ss",
		"smtps://u:p@mail.example":                          "mail.example 465 tls u p",
		"smtps://u:p@mail.example:2465/":                    "mail.example 2465 tls u p",
		"smtp://mail.example:25?tls=none":                   "mail.example 25 none",
		"smtp://localhost:25":                               "localhost 25 none",
		"smtp://[::1]:25":                                   "::1 25 none",
		"smtp://127.0.0.2":                                  "127.0.0.2 587 none",
		"smtp://127.0.0.1?tls=starttls":                     "127.0.0.1 587 starttls",
		"":                                                  "!begins with smtp://",
		"mail.example:587":                                  "!smtp",
		"http://mail.example":                               "!begins with smtp://",
		"smtp://":                                           "!names a host",
		"smtp://mail.example/inbox":                         "!names a host",
		"smtp://u@mail.example":                             "!half of a name",
		"smtp://:hidden@mail.example":                       "!half of a name",
		"smtp://mail.example:0":                             "!port",
		"smtp://mail.example:70000":                         "!port",
		"smtp://u:hidden%zz@mail.example":                   "!is no address",
		"smtp://mail.example?tls=maybe":                     "!tls=none or tls=starttls",
		"smtp://mail.example?tls=none&tls=none":             "!one option",
		"smtp://mail.example?starttls=no":                   "!one option",
		"smtps://mail.example?tls=none":                     "!takes no tls=",
		"smtp://u:hidden@mail.example:587 extra":            "!SMTP_URL",
		"smtp://u:hidden@mail.example:587?tls=none;x=%zz%2": "!SMTP_URL",
	} {
		s, err := NewSMTP(address, sender)
		if complaint, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), complaint) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("%q: %v, want %q", address, err, complaint)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		got := strings.TrimSpace(fmt.Sprint(s.host, " ", s.port, " ", []string{"starttls", "tls", "none"}[s.tls], " ", s.user, " ", s.password))
		if got != want {
			t.Errorf("%q is %q, want %q", address, got, want)
		}
	}
	for from, shop := range map[string]string{
		"Rialto <shop@example.com>": "Rialto", "shop@example.com": "example.com", "=?utf-8?q?Caf=C3=A9?= <shop@example.com>": "Café", `"A, B" <shop@example.com>`: "A, B",
		"": "!", "Rialto": "!", "Rialto <shop>, <b@example.com>": "!", "Rialto <shöp@example.com>": "!", "A\r\nBcc: b@example.com <shop@example.com>": "!",
	} {
		s, err := NewSMTP("smtp://mail.example", from)
		if shop == "!" {
			if err == nil || !strings.Contains(err.Error(), "MAIL_FROM") {
				t.Errorf("%q: %v", from, err)
			}
			continue
		}
		if err != nil || s.Shop() != shop {
			t.Errorf("%q: %v", from, err)
		}
	}
}
