package checkout

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/delivery"
	"github.com/rialto-live/rialto/commerce/mail"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/payment"
	"github.com/rialto-live/rialto/commerce/stock"
)

var (
	// ErrUnknown: no such hold, or not yours.
	ErrUnknown = errors.New("there is no such hold")
	// ErrNotSold: the show does not sell this.
	ErrNotSold = errors.New("this show does not sell this")
	// ErrLimit: the buyer has as many as one may have. The error is a *LimitError when they can pay some of it.
	ErrLimit = stock.ErrLimit
	// ErrClosed: the show has ended.
	ErrClosed = errors.New("this show sells nothing any more")
	// ErrBanned: the buyer may not buy in this show.
	ErrBanned = community.ErrBanned
	// ErrDeclined: the card was refused. The error is a *DeclinedError; the hold lives on.
	ErrDeclined = errors.New("the card was declined")
	// ErrOrderConflict: the order id stands for something else, or the hold has another order.
	ErrOrderConflict = errors.New("this order is about something else")
	// ErrGone: the hold's time is over. A new one is needed.
	ErrGone = errors.New("the hold has ended")
	// ErrPending: the outcome is not known yet. Ask again with the same order id.
	ErrPending = errors.New("the payment is still being made")
	// ErrNotConfigured: no payment company is set up.
	ErrNotConfigured = payment.ErrNotConfigured
)

// RetryAfter is what a caller is told with ErrPending.
const RetryAfter = 2 * time.Second

// DeclinedError says why, and how long the hold can still be paid otherwise.
type DeclinedError struct {
	Reason  string // the provider's stable word
	Expires time.Time
	Left    time.Duration
}

func (e *DeclinedError) Error() string        { return ErrDeclined.Error() + ": " + e.Reason }
func (e *DeclinedError) Is(target error) bool { return target == ErrDeclined }

// LimitError leads a buyer at their limit to the hold that they still can pay.
type LimitError struct{ Hold commerce.HoldID }

func (e *LimitError) Error() string        { return ErrLimit.Error() }
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// PriceError says that the price shown, or the present one, cannot be had any more, and which one can.
type PriceError struct{ Price money.Amount }

func (e *PriceError) Error() string        { return stock.ErrOfferChanged.Error() }
func (e *PriceError) Is(target error) bool { return target == stock.ErrOfferChanged }

// Config is what a Service needs. All but the durations, and what says so, must be set.
type Config struct {
	Pool       *pgxpool.Pool
	Stock      *stock.Service
	Provider   payment.Provider // payment.NotConfigured{} when there is none
	Vault      payment.Vault    // nil: cards go from the page straight to the provider, and only tokens come to us
	Name       string           // of the provider, in payments and ledger accounts
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Kick       func(kinds ...string) // outbox.Dispatcher.Kick, after each commit that wrote to the outbox
	// OrderURL is the whole address of an order's page, signed: whoever has it may read the order. nil: the way back
	// from a bank, and mails, lead nowhere.
	OrderURL func(id commerce.OrderID, created time.Time) (string, error)
	Mail     *mail.Service // nil: buyers are not written to

	// Home is the country that the shop sends from; "": delivery.DefaultHome.
	Home string

	PayFor  time.Duration // how long units wait for a payment; 0: stock.DefaultPayFor
	Redrive time.Duration // how often Run looks for payments to go on with; 0: one second
}

// Validate says all that is missing.
func (c Config) Validate() error {
	var errs []error
	for what, missing := range map[string]bool{
		"a Postgres pool": c.Pool == nil, "the stock service": c.Stock == nil, "a provider": c.Provider == nil,
		"the provider's name": c.Name == "", "a logger": c.Log == nil, "a metrics registerer": c.Registerer == nil, "the outbox's kick": c.Kick == nil,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("checkout: %s is needed", what))
		}
	}
	if c.Home != "" && !delivery.Known(c.Home) {
		errs = append(errs, fmt.Errorf("checkout: %q is no country", c.Home))
	}
	if c.PayFor < 0 || c.Redrive < 0 {
		errs = append(errs, errors.New("checkout: no time is negative"))
	}
	return errors.Join(errs...)
}

// Service takes buyers from the tap to the receipt.
type Service struct {
	Config   // static after New
	offers   offers
	creators creators
	stages   stages
	calls    chan struct{} // captures that are with the company
	noticed  chan struct{} // see Noticed

	steps         *prometheus.CounterVec
	notices       *prometheus.CounterVec
	disagreements *prometheus.CounterVec
	uncaptured    prometheus.Gauge
}

// New makes a Service. It starts nothing; see Run.
func New(c Config) (*Service, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.PayFor == 0 {
		c.PayFor = stock.DefaultPayFor
	}
	if c.Redrive == 0 {
		c.Redrive = time.Second
	}
	c.Home = cmp.Or(c.Home, delivery.DefaultHome)
	if c.OrderURL == nil {
		c.OrderURL = func(commerce.OrderID, time.Time) (string, error) { return "", nil }
	}
	s := &Service{
		Config: c, noticed: make(chan struct{}, 1), calls: make(chan struct{}, captureCalls),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rialto_commerce_checkout_steps_total", Help: "Steps of the way from a tap to a captured order.",
		}, []string{"step", "result"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rialto_commerce_checkout_notices_total", Help: "Notices of the payment company that are done with, by what came of them.",
		}, []string{"result"}),
		disagreements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rialto_commerce_checkout_disagreements_total",
			Help: "Payments about which the payment company says something else than our record. Each needs a person.",
		}, []string{"ours", "theirs"}),
		uncaptured: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rialto_commerce_checkout_uncaptured_payments",
			Help: "Confirmed orders whose money has been reserved for hours and is not taken. Reservations run out after some days.",
		}),
	}
	s.offers.db, s.stages = c.Pool, s.newStages()
	for _, m := range []prometheus.Collector{s.steps, s.notices, s.disagreements, s.uncaptured} {
		if err := c.Registerer.Register(m); err != nil {
			return nil, fmt.Errorf("checkout metrics: %w", err)
		}
	}
	return s, nil
}

// Payments says whether anything can be paid.
func (s *Service) Payments() bool {
	_, none := s.Provider.(payment.NotConfigured)
	return !none
}

func (s *Service) count(step string, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	s.steps.WithLabelValues(step, result).Inc()
}
