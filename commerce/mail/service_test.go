package mail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/outbox"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

type answering struct {
	err  error
	sent []Message
}

func (a *answering) Send(_ context.Context, m Message) error {
	a.sent = append(a.sent, m)
	return a.err
}

func newService(t *testing.T, m Mailer) *Service {
	t.Helper()
	s, err := New(Config{Mailer: m, Shop: "Rialto", Home: "https://shop.test/", Registerer: prometheus.NewRegistry(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What becomes of a try is counted, and the outbox is told: park it, or come again however often it takes.
func TestTheOutboxIsToldWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			err    error
			to     string
			age    time.Duration
			result string
			fate   func(error) error
		}{
			"sent":                 {nil, "ann@example.com", 0, "sent", nil},
			"refused":              {fmt.Errorf("%w: 550", ErrRefused), "ann@example.com", 0, "refused", outbox.Permanent},
			"no address":           {nil, "ann", 0, "refused", outbox.Permanent},
			"later":                {errors.New("421"), "ann@example.com", GiveUp, "later", outbox.Unavailable},
			"for days":             {errors.New("421"), "ann@example.com", GiveUp + time.Second, "late", outbox.Permanent},
			"late, and yet it got": {nil, "ann@example.com", 2 * GiveUp, "sent", nil},
		} {
			m := &answering{err: c.err}
			s := newService(t, m)
			err := s.Send(t.Context(), outbox.Message{ID: "mail:x:1", Kind: "mail.x", Created: time.Now().Add(-c.age), Attempt: 3}, c.to, whole())
			if (err == nil) != (c.fate == nil) || err != nil && !sameMark(err, c.fate) {
				t.Errorf("%s: %v", name, err)
			}
			var metric dto.Metric
			if err := s.sent.WithLabelValues("mail.x", c.result).Write(&metric); err != nil || metric.GetCounter().GetValue() != 1 {
				t.Errorf("%s is not counted as %s", name, c.result)
			}
			if c.to == "ann@example.com" && (m.sent[0].ID != "mail:x:1" || m.sent[0].To != c.to) {
				t.Errorf("%s: it was given %+v", name, m.sent[0])
			}
		}
	})
}

// sameMark says whether err carries the mark that mark puts on errors.
func sameMark(err error, mark func(error) error) bool {
	marked := mark(errors.New("x")).(interface{ Unwrap() []error }).Unwrap()
	return errors.Is(err, marked[len(marked)-1])
}

func TestAServiceIsOffWithoutAMailer(t *testing.T) {
	var none *Service
	if none.On() || newService(t, None{}).On() || !newService(t, &answering{}).On() {
		t.Error("on and off are mixed up")
	}
	if err := (None{}).Send(t.Context(), Message{}); !errors.Is(err, ErrOff) {
		t.Error(err)
	}
	if got := newService(t, None{}).URL("/reset"); got != "https://shop.test/reset" {
		t.Error(got)
	}
	if _, err := New(Config{}); err == nil || strings.Count(err.Error(), "is needed") != 5 {
		t.Errorf("%v", err)
	}
}

func TestTheMailboxKeepsTheNewest(t *testing.T) {
	pool := schematest.Pool(t)
	box := NewMailbox(pool)
	message := func(i int) Message {
		return Message{ID: fmt.Sprint("mail:x:", i), To: "ann@example.com", Subject: fmt.Sprint("S", i), Text: "T", HTML: "<p>H"}
	}
	_, err := pool.Exec(t.Context(), `insert into mail_box (id, message, recipient, subject, body_text, body_html, sent_at)
		select gen_random_uuid(), 'old:' || i, 'ann@example.com', 'S', 'T', 'H', now() - interval '1 hour' + i * interval '1 second' from generate_series(1, $1) i`, MailboxSize-1)
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), `select count(*) from mail_box`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, want := range []int{MailboxSize, MailboxSize, MailboxSize} {
		for range 2 { // sent again it is the same mail
			if err := box.Send(t.Context(), message(i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(); n != want {
			t.Errorf("%d mails, want %d", n, want)
		}
	}
	list, err := box.List(t.Context())
	if err != nil || len(list) != MailboxPage || list[0].Subject != "S2" || list[2].Subject != "S0" || list[0].To != "ann@example.com" {
		t.Fatalf("%v, %d mails, %+v", err, len(list), list[:3])
	}
	kept, err := box.Read(t.Context(), list[0].ID)
	if err != nil || kept.Text != "T" || kept.HTML != "<p>H" || kept.Subject != "S2" {
		t.Errorf("%+v, %v", kept, err)
	}
	if _, err := box.Read(t.Context(), commerce.NewID[commerce.MailID]()); !errors.Is(err, ErrNotThere) {
		t.Errorf("%v", err)
	}
	if err := box.Send(t.Context(), Message{ID: "x", To: "ann", Subject: "S", Text: "T"}); !errors.Is(err, ErrRefused) {
		t.Errorf("%v", err)
	}
}
