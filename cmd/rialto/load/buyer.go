package load

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
)

const (
	apiBase   = "/api/v1"
	playMoney = "sandbox" // the provider whose card numbers everybody may use
	testCard  = "4242424242424242"
	idDigits  = 32

	// answerWithin is how long a buyer waits for one answer, as pages do.
	answerWithin = 20 * time.Second
	// buyTries is how often the same thing is asked for before a buyer gives up.
	buyTries = 5
	// retryFirst is how long they wait before they ask again when nobody says how long; it doubles.
	retryFirst = 200 * time.Millisecond
	// mostWait bounds what a server may ask of them.
	mostWait = 10 * time.Second
	// failedRest keeps a place from being tried in vain all the time.
	failedRest = time.Second
	// mostTaps is how often somebody taps who gets nothing.
	mostTaps = 3

	maxBuyAnswer = 256 << 10
)

// buyer is one person with a browser.
type buyer struct {
	rush   *rush
	http   *http.Client
	cookie string
}

// said is an answer of the API.
type said struct {
	status int
	code   string // of a refusal
	after  time.Duration
	body   []byte
}

// visit is what a buyer does: they look at the show, tap until they have something or have had enough, and then pay or
// walk away. An error says why they could not.
func (b *buyer) visit(ctx context.Context) error {
	if err := b.get(ctx, "/me", nil); err != nil {
		return err
	}
	b.rush.note(func(s *buyStats) { s.Visits++ })
	for range mostTaps {
		b.think(ctx)
		hold, outcome, err := b.tap(ctx)
		if err != nil || outcome == outcomeNever {
			return err
		}
		if outcome == outcomeYours {
			b.think(ctx)
			return b.decide(ctx, hold)
		}
	}
	return nil
}

// think takes between half and one and a half of the time that buyers take.
func (b *buyer) think(ctx context.Context) {
	if d := b.rush.config.Think; d > 0 {
		_ = Rest(ctx, d/2+rand.N(d)) // what comes next ends with ctx
	}
}

// What a tap brings.
type outcome int

const (
	outcomeNothing outcome = iota // not this time
	outcomeYours
	outcomeNever // another tap is of no use
)

// tap taps for one unit, and repeats the same id until it is answered.
func (b *buyer) tap(ctx context.Context) (hold string, got outcome, err error) {
	hold = newID("hld_")
	began := time.Now()
	b.rush.note(func(s *buyStats) { s.Taps++ })
	answer, err := b.insist(ctx, "/holds/"+hold, map[string]any{"show": b.rush.config.Show, "variant": b.rush.goods.variant, "quantity": 1})
	took := time.Since(began)
	if err != nil {
		if ctx.Err() == nil {
			b.rush.note(func(s *buyStats) { s.Unanswered++ })
		}
		return hold, outcomeNever, err
	}
	if answer.status < 300 {
		var made struct{ ID, State string }
		if err := json.Unmarshal(answer.body, &made); err != nil || made.ID != hold {
			return hold, outcomeNever, fmt.Errorf("a hold that is another one: %.200q", answer.body)
		}
		b.rush.note(func(s *buyStats) {
			s.Yours++
			if len(s.Times) < maxTimes {
				s.Times = append(s.Times, took)
			}
		})
		return hold, outcomeYours, nil
	}
	b.rush.note(func(s *buyStats) { s.Refused[answer.code]++ })
	switch answer.code {
	case "sold_out", "price_changed", "hold_expired":
		return hold, outcomeNothing, nil
	}
	return hold, outcomeNever, nil
}

// decide pays, or walks away: one in two who does so says it, the other lets the time pass.
func (b *buyer) decide(ctx context.Context, hold string) error {
	if ctx.Err() != nil {
		return nil
	}
	if b.rush.goods.paid && rand.N(100) < b.rush.config.Pay {
		return b.pay(ctx, hold)
	}
	if rand.N(2) == 0 {
		b.rush.note(func(s *buyStats) { s.Left++ })
		return nil
	}
	answer, err := b.ask(ctx, http.MethodDelete, "/holds/"+hold, nil)
	if err != nil {
		return err
	}
	b.rush.note(func(s *buyStats) {
		if answer.status < 300 {
			s.Released++
		} else {
			s.Unpaid[answer.code]++
		}
	})
	return nil
}

func (b *buyer) pay(ctx context.Context, hold string) error {
	began := time.Now()
	answer, err := b.insist(ctx, "/orders/"+newID("ord_"), map[string]any{
		"hold": hold, "email": "buyer@load.example", "name": "A buyer",
		"delivery": map[string]any{"name": "A buyer", "line1": "Via del Ponte 4", "line2": "", "city": "Venezia", "region": "", "postcode": "30124", "country": "IT"},
		"card":     map[string]any{"number": testCard, "exp_month": 12, "exp_year": time.Now().Year() + 1, "cvc": "123"},
	})
	if err != nil {
		if ctx.Err() == nil {
			b.rush.note(func(s *buyStats) { s.Unpaid["no answer"]++ })
		}
		return err
	}
	b.rush.note(func(s *buyStats) {
		if answer.status >= 300 {
			s.Unpaid[answer.code]++
			return
		}
		s.Paid++
		if len(s.PayTimes) < maxTimes {
			s.PayTimes = append(s.PayTimes, time.Since(began))
		}
	})
	return nil
}

// errNoAnswer is what insist says in the end.
var errNoAnswer = errors.New("no answer, however often they asked")

// insist puts the same thing again and again, as a page does whose request was lost or that was told to come again.
func (b *buyer) insist(ctx context.Context, path string, body any) (answer said, err error) {
	for try := range buyTries {
		answer, err = b.ask(ctx, http.MethodPut, path, body)
		again := err != nil || answer.status == http.StatusServiceUnavailable || answer.status == http.StatusTooManyRequests || answer.status >= 500
		if !again || ctx.Err() != nil {
			return answer, err
		}
		if try == buyTries-1 {
			break
		}
		b.rush.note(func(s *buyStats) { s.Again++ })
		wait := min(max(answer.after, retryFirst<<try), mostWait)
		if err := Rest(ctx, wait+rand.N(retryFirst)); err != nil {
			return said{}, err
		}
	}
	if err == nil {
		err = fmt.Errorf("%w: %d %s", errNoAnswer, answer.status, answer.code)
	}
	return said{}, err
}

func (b *buyer) get(ctx context.Context, path string, into any) error {
	answer, err := b.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	if answer.status != http.StatusOK {
		return &Refused{Status: answer.status, RetryAfter: answer.after}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer.body, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// ask makes one request and reads its answer. The guest's cookie is kept as browsers keep it.
func (b *buyer) ask(ctx context.Context, method, path string, body any) (said, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return said{}, err
		}
		reader = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, b.rush.at.String()+apiBase+path, reader)
	if err != nil {
		return said{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	response, err := b.http.Do(r)
	if err != nil {
		return said{}, err
	}
	defer response.Body.Close()
	for _, c := range response.Cookies() {
		b.cookie = c.Name + "=" + c.Value
	}
	answer := said{status: response.StatusCode}
	if answer.body, err = io.ReadAll(io.LimitReader(response.Body, maxBuyAnswer)); err != nil {
		return said{}, err
	}
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	answer.after = time.Duration(seconds) * time.Second
	if answer.status >= 300 {
		var problem struct{ Code string }
		if json.Unmarshal(answer.body, &problem) != nil || problem.Code == "" {
			problem.Code = "status " + strconv.Itoa(answer.status)
		}
		answer.code = problem.Code
	}
	return answer, nil
}

// leave closes the browser.
func (b *buyer) leave() { b.http.CloseIdleConnections() }

func newID(word string) string {
	id := uuid.Must(uuid.NewV7())
	return word + hex.EncodeToString(id[:])
}
