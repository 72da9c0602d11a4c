package mail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce/crash"
	"github.com/rialto-live/rialto/commerce/outbox"
)

// GiveUp is how long after its effect was written a mail is tried; mail servers among themselves wait as long.
const GiveUp = 5 * 24 * time.Hour

// Config is what a Service needs. All must be set.
type Config struct {
	Mailer     Mailer
	Shop       string // who speaks, for people: the name in MAIL_FROM
	Home       string // PUBLIC_URL: links of mails begin with it
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Service sends letters for the handlers of outbox effects. A nil *Service is off.
type Service struct {
	Config // static after New
	sent   *prometheus.CounterVec
}

// New makes a Service. It starts nothing and connects to nobody.
func New(c Config) (*Service, error) {
	var errs []error
	for what, missing := range map[string]bool{
		"a mailer": c.Mailer == nil, "the shop's name": c.Shop == "", "the address of its pages": c.Home == "",
		"a metrics registerer": c.Registerer == nil, "a clock": c.Now == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("mail: %s is needed", what))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Home = strings.TrimSuffix(c.Home, "/")
	s := &Service{Config: c, sent: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rialto_commerce_mail_sent_total", Help: "Mails by the kind of their effect and by what came of the try: sent, refused, later, late.",
	}, []string{"kind", "result"})}
	if err := c.Registerer.Register(s.sent); err != nil {
		return nil, fmt.Errorf("mail: metrics: %w", err)
	}
	return s, nil
}

// On says whether mails are sent. Effects are written only then, and their handlers offered only then: what was
// written before somebody took the mail server away waits for the next one.
func (s *Service) On() bool {
	if s == nil {
		return false
	}
	_, off := s.Mailer.(None)
	return !off
}

// URL is the whole address of a page; path begins with a slash.
func (s *Service) URL(path string) string { return s.Home + path }

// Send renders l and sends it to one address, as the effect m. The error is marked for the outbox.
func (s *Service) Send(ctx context.Context, m outbox.Message, to string, l Letter) error {
	result, err := s.send(ctx, m, to, l)
	s.sent.WithLabelValues(m.Kind, result).Inc()
	return err
}

func (s *Service) send(ctx context.Context, m outbox.Message, to string, l Letter) (result string, _ error) {
	message, err := l.render(s.Shop, s.Home)
	if err != nil {
		return "refused", outbox.Permanent(err)
	}
	message.ID, message.To = m.ID, to
	if err = message.Check(); err == nil {
		err = s.Mailer.Send(ctx, message)
	}
	switch {
	case err == nil:
		crash.Here("mail.accepted")
		return "sent", nil
	case errors.Is(err, ErrRefused):
		return "refused", outbox.Permanent(fmt.Errorf("mail %s: %w", m.ID, err))
	case s.Now().Sub(m.Created) > GiveUp:
		return "late", outbox.Permanent(fmt.Errorf("mail %s: given up after %d tries: %w", m.ID, m.Attempt, err))
	}
	return "later", outbox.Unavailable(fmt.Errorf("mail %s: %w", m.ID, err))
}
