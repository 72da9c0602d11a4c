package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/guard"
)

// maker is a site with an operation that makes something each time that it runs.
type maker struct {
	*site
	runs atomic.Int64
	do   func(ctx context.Context, name string) error // may be nil
}

func newMaker(t *testing.T) *maker {
	m := &maker{site: newSite(t)}
	m.api.RegisterMaking(func(ctx context.Context, name string) (api.Made, error) {
		n := m.runs.Add(1)
		if m.do != nil {
			if err := m.do(ctx, name); err != nil {
				return api.Made{}, err
			}
		}
		if name == "large" {
			name = strings.Repeat("x", guard.MaxAnswer)
		}
		return api.Made{Name: name, Count: int(n)}, nil
	})
	return m
}

// making is a body for it.
func making(name string) map[string]any { return map[string]any{"name": name} }

// keyed is the same browser, sending a key.
func (b *browser) keyed(key string) *browser {
	other := *b
	other.header = b.header.Clone()
	other.header.Set("Idempotency-Key", key)
	return &other
}

// guest is a browser that has been told who it is.
func (s *site) guest() *browser {
	b := s.browser()
	b.want(200, "", "GET", "/me", nil)
	return b
}

func TestTheSameKeyIsTheSameAnswer(t *testing.T) {
	m := newMaker(t)
	b := m.guest().keyed("k-1")
	first := b.want(201, "", "POST", "/made", making("pan"))
	if first.header.Get("Idempotency-Replayed") != "" || first.header.Get("Location") != "/made/1" {
		t.Errorf("the first answer: %v", first.header)
	}
	for range 2 {
		again := b.want(201, "", "POST", "/made", making("pan"))
		if string(again.raw) != string(first.raw) || again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("Location") != "/made/1" ||
			again.header.Get("Content-Type") != first.header.Get("Content-Type") || again.header.Get("Cache-Control") != "no-store" {
			t.Errorf("the repetition: %s %v, first %s", again.raw, again.header, first.raw)
		}
		if again.header.Get("Set-Cookie") != "" || again.header.Get("X-Secret") != "" {
			t.Errorf("a secret was kept: %v", again.header)
		}
	}
	b.want(422, "idempotency_key_reused", "POST", "/made", making("pot"))
	b.want(422, "idempotency_key_reused", "POST", "/made?x=1", making("pan"))
	if n := m.runs.Load(); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	// Another person's key of the same text is another key, whether they have a name or only an address.
	m.guest().keyed("k-1").want(201, "", "POST", "/made", making("pot"))
	nobody := m.browser().keyed("k-1")
	nobody.want(201, "", "POST", "/made", making("lid"))
	nobody.header.Set("Test-From", "203.0.113.9")
	nobody.client = http.DefaultClient // without the first one's cookies
	nobody.want(201, "", "POST", "/made", making("lid"))
	if n := m.runs.Load(); n != 4 {
		t.Errorf("it ran %d times, want 4", n)
	}
}

func TestWhatAKeyMayBe(t *testing.T) {
	m := newMaker(t)
	b := m.guest()
	b.want(400, "idempotency_key_missing", "POST", "/made", making("pan"))
	b.keyed(strings.Repeat("k", guard.MaxKey+1)).want(400, "idempotency_key_invalid", "POST", "/made", making("pan"))
	b.keyed("schlüssel").want(400, "idempotency_key_invalid", "POST", "/made", making("pan"))
	b.keyed(strings.Repeat("k", guard.MaxKey)).want(201, "", "POST", "/made", making("pan"))
	b.keyed(`"quoted ~ key"`).want(201, "", "POST", "/made", making("pan"))
}

func TestARefusalFreesTheKey(t *testing.T) {
	m := newMaker(t)
	b := m.guest().keyed("k")
	b.want(400, "malformed", "POST", "/made", "{")
	b.want(422, "invalid", "POST", "/made", map[string]any{"nome": "pan"})
	b.want(413, "body_too_large", "POST", "/made", making(strings.Repeat("x", 2<<10)))
	m.do = func(context.Context, string) error { return api.ErrNotNow() }
	b.want(409, "not_now", "POST", "/made", making("pan"))
	m.do = func(context.Context, string) error { return errors.New("broken") }
	b.want(500, "internal", "POST", "/made", making("pan"))
	m.do = func(context.Context, string) error { panic("boom") }
	b.want(500, "internal", "POST", "/made", making("pan"))
	// Whoever panicked has not let go: nobody knows what it did. The lease does.
	m.do = nil
	b.want(409, "idempotency_in_flight", "POST", "/made", making("pan"))
	m.age(t, "k")
	b.want(201, "", "POST", "/made", making("pan"))
}

func TestAnAnswerTooLargeToKeepIsGiven(t *testing.T) {
	m := newMaker(t)
	b := m.guest().keyed("k")
	for range 2 {
		if r := b.want(201, "", "POST", "/made", making("large")); len(r.raw) <= guard.MaxAnswer || r.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%d bytes, %v", len(r.raw), r.header)
		}
	}
	if n := m.runs.Load(); n != 2 {
		t.Errorf("it ran %d times, want 2: nothing could be kept", n)
	}
}

// age makes a key's claim lapse, as time would.
func (m *maker) age(t *testing.T, key string) {
	t.Helper()
	if _, err := m.pool.Exec(t.Context(), `update idempotency set claimed_until = now() where key = $1`, key); err != nil {
		t.Fatal(err)
	}
}

func TestTwiceAtOnceIsOnce(t *testing.T) {
	m := newMaker(t)
	b := m.guest().keyed("k")
	inside, leave := make(chan struct{}), make(chan struct{})
	m.do = func(context.Context, string) error {
		close(inside)
		<-leave
		return nil
	}
	first := make(chan reply, 1)
	go func() { first <- b.do("POST", "/made", making("pan")) }()
	<-inside
	busy := b.want(409, "idempotency_in_flight", "POST", "/made", making("pan"))
	if busy.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.want(422, "idempotency_key_reused", "POST", "/made", making("pot"))
	close(leave)
	made := <-first
	again := b.want(201, "", "POST", "/made", making("pan"))
	if made.status != 201 || string(again.raw) != string(made.raw) || m.runs.Load() != 1 {
		t.Errorf("%s, then %s; it ran %d times", made.raw, again.raw, m.runs.Load())
	}
}

// A node that dies between the work and the note of it leaves a claim that nobody will finish.
func TestAKilledTryBlocksItsKeyNoLongerThanItsLease(t *testing.T) {
	m := newMaker(t)
	b := m.guest().keyed("k")
	inside, leave := make(chan struct{}), make(chan struct{})
	m.do = func(context.Context, string) error {
		m.do = nil
		close(inside)
		<-leave
		return nil
	}
	dead := make(chan reply, 1)
	go func() { dead <- b.do("POST", "/made", making("pan")) }()
	<-inside
	b.want(409, "idempotency_in_flight", "POST", "/made", making("pan"))
	m.age(t, "k")
	b.want(422, "idempotency_key_reused", "POST", "/made", making("pot"))
	second := b.want(201, "", "POST", "/made", making("pan"))
	// It was not dead but slow: its answer does not replace the one that was given.
	close(leave)
	<-dead
	if again := b.want(201, "", "POST", "/made", making("pan")); string(again.raw) != string(second.raw) {
		t.Errorf("%s, want %s", again.raw, second.raw)
	}
}

func TestKeysAreForgottenAfterADay(t *testing.T) {
	m := newMaker(t)
	b := m.guest().keyed("k")
	b.want(201, "", "POST", "/made", making("pan"))
	sweep := func() (left int) {
		if err := guard.SweepOnce(t.Context(), m.pool); err != nil {
			t.Fatal(err)
		}
		if err := m.pool.QueryRow(t.Context(), `select count(*) from idempotency`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		return left
	}
	if left := sweep(); left != 1 {
		t.Errorf("%d keys are left, want 1", left)
	}
	if _, err := m.pool.Exec(t.Context(), `update idempotency set created_at = now() - $1::interval`, guard.OnceLife); err != nil {
		t.Fatal(err)
	}
	// Swept or not, it is a new request.
	if again := b.want(201, "", "POST", "/made", making("pot")); again.header.Get("Idempotency-Replayed") != "" || m.runs.Load() != 2 {
		t.Errorf("%s, after %d runs", again.raw, m.runs.Load())
	}
	if _, err := m.pool.Exec(t.Context(), `update idempotency set created_at = now() - $1::interval`, guard.OnceLife); err != nil {
		t.Fatal(err)
	}
	if left := sweep(); left != 0 {
		t.Errorf("%d keys are left, want 0", left)
	}
}
