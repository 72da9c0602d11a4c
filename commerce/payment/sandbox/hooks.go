package sandbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	hookWorkers  = 4 // webhooks on their way at once
	maxTries     = 20
	maxEndpoints = 8 // the last that registered
	maxURL       = 500
	maxHookReply = 4 << 10
	keepEvents   = 7 * 24 * time.Hour
)

// Hooks are the times of webhooks; 0 takes the default.
type Hooks struct {
	Timeout    time.Duration // for one try at one endpoint; 5 s
	FirstPause time.Duration // after a failed try, doubled by each; also how often somebody looks for late ones; 1 s
	MaxPause   time.Duration // 1 h
	Late       time.Duration // how late the late ones are; 5 s
}

func (h Hooks) orDefaults() Hooks {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&h.Timeout, 5*time.Second)
	set(&h.FirstPause, time.Second)
	set(&h.MaxPause, time.Hour)
	set(&h.Late, 5*time.Second)
	return h
}

func (h Hooks) least() time.Duration { return min(h.Timeout, h.FirstPause, h.MaxPause, h.Late) }

// event is a webhook's body.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      charge    `json:"data"`
}

// hooks delivers.
type hooks struct {
	signed *standardwebhooks.Webhook // static
	web    *http.Client              // static
	kicked chan struct{}             // something was written
}

func newHooks(c Config) (hooks, error) {
	signed, err := signature(c.Secret)
	if err != nil {
		return hooks{}, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	return hooks{
		signed: signed, kicked: make(chan struct{}, hookWorkers),
		web: &http.Client{
			Transport: transport, Timeout: c.Hooks.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// kick wakes a worker; all are awake when it cannot.
func (h hooks) kick() {
	select {
	case h.kicked <- struct{}{}:
	default:
	}
}

// tell writes the webhook of what has just happened to c, with it.
func (s *server) tell(ctx context.Context, tx pgx.Tx, now time.Time, c charge, what string) error {
	var does behaviour
	err := tx.QueryRow(ctx, `select behaviour from sandbox.token where id = $1`, c.token).Scan(&does)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) { // a reference that was voided before it was seen has no card
		return err
	}
	times, late := does.webhook(what)
	if times == 0 {
		return nil
	}
	body, err := json.Marshal(event{Type: "charge." + what, Timestamp: now.UTC(), Data: c})
	if err != nil {
		return err
	}
	var wait time.Duration
	if late {
		wait = s.Hooks.Late
	}
	_, err = tx.Exec(ctx, `insert into sandbox.event (id, charge, kind, body, times, next_at, created_at)
		values ($1, $2, $3, $4, $5, $6::timestamptz + $7::interval, $6)`, "evt_"+rand.Text(), c.ID, "charge."+what, body, times, now, wait)
	return err
}

type endpoint struct {
	URL string `json:"url"`
}

// register notes where to tell, and forgets what is old.
func (s *server) register(r *http.Request) (any, error) {
	e, err := read[endpoint](r)
	if err != nil {
		return nil, err
	}
	if _, err := origin(e.URL); err != nil || len(e.URL) > maxURL {
		return nil, no(http.StatusUnprocessableEntity, "url_invalid", "webhooks go to an http or https address")
	}
	err = s.inTx(r, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		for _, step := range []struct {
			sql  string
			args []any
		}{
			{`insert into sandbox.endpoint (url) values ($1) on conflict (url) do update set seen_at = now(), failed_at = null`, []any{e.URL}},
			{`delete from sandbox.endpoint where url not in (select url from sandbox.endpoint order by seen_at desc limit $1)`, []any{maxEndpoints}},
			{`delete from sandbox.event where created_at < $1`, []any{now.Add(-keepEvents)}},
		} {
			if _, err := tx.Exec(ctx, step.sql, step.args...); err != nil {
				return err
			}
		}
		return nil
	})
	return e, err
}

// deliver is one worker.
func (s *server) deliver(ctx context.Context) {
	look := time.NewTicker(s.Hooks.FirstPause)
	defer look.Stop()
	said := false // that Postgres is away
	for {
		found, err := s.deliverOne(ctx)
		if err != nil && ctx.Err() == nil && !said {
			s.Log.Warn("webhooks wait", "error", err)
		}
		said = err != nil
		if found && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-s.hooks.kicked:
		case <-look.C:
		}
	}
}

// due is a webhook that somebody is about to deliver.
type due struct {
	id       string
	body     []byte
	attempts int
}

// deliverOne claims what is due, for as long as trying all endpoints can take, and tries them. Who dies meanwhile leaves it to be
// claimed again; what was begun is finished when ctx ends.
func (s *server) deliverOne(ctx context.Context) (found bool, err error) {
	urls, err := s.endpoints(ctx)
	if err != nil || len(urls) == 0 {
		return false, err
	}
	var d due
	err = s.Pool.QueryRow(ctx, `
		update sandbox.event set attempts = attempts + 1, next_at = now() + $1::interval where id = (
			select id from sandbox.event where times > 0 and lost_at is null and next_at <= now() order by next_at limit 1 for update skip locked)
		returning id, body, attempts`, time.Duration(len(urls)+1)*s.Hooks.Timeout).Scan(&d.id, &d.body, &d.attempts)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim a webhook: %w", err)
	}
	ctx = context.WithoutCancel(ctx)
	var failed error
	for _, url := range urls {
		if failed = s.post(ctx, url, d); failed == nil {
			return true, s.delivered(ctx, d)
		}
		if _, err := s.Pool.Exec(ctx, `update sandbox.endpoint set failed_at = now() where url = $1`, url); err != nil {
			return true, fmt.Errorf("endpoint of webhooks: %w", err)
		}
	}
	return true, s.failed(ctx, d, failed)
}

// endpoints lists those that work before those that did not, each the newest first.
func (s *server) endpoints(ctx context.Context) ([]string, error) {
	rows, err := s.Pool.Query(ctx, `select url from sandbox.endpoint order by failed_at nulls first, seen_at desc`)
	if err != nil {
		return nil, fmt.Errorf("endpoints of webhooks: %w", err)
	}
	urls, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("endpoints of webhooks: %w", err)
	}
	return urls, nil
}

// post is one try at one endpoint.
func (s *server) post(ctx context.Context, url string, d due) error {
	now := s.Now()
	sum, err := s.hooks.signed.Sign(d.id, now, d.body)
	if err != nil {
		return fmt.Errorf("sign a webhook: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.body))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(standardwebhooks.HeaderWebhookID, d.id)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, sum)
	answer, err := s.hooks.web.Do(r)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxHookReply) // so that the connection can be used again
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("webhook: %s answers %d", url, answer.StatusCode)
	}
	return nil
}

func (s *server) delivered(ctx context.Context, d due) error {
	if _, err := s.Pool.Exec(ctx, `update sandbox.event set times = times - 1, attempts = 0, next_at = now() where id = $1 and times > 0`, d.id); err != nil {
		return fmt.Errorf("note a webhook's delivery: %w", err)
	}
	return nil
}

func (s *server) failed(ctx context.Context, d due, why error) error {
	lost := d.attempts >= maxTries
	if lost {
		s.Log.Warn("a webhook is given up", "event", d.id, "tries", d.attempts, "error", why)
	}
	_, err := s.Pool.Exec(ctx, `update sandbox.event set next_at = now() + $2::interval, lost_at = case when $3 then now() end where id = $1`,
		d.id, s.Hooks.pause(d.attempts), lost)
	if err != nil {
		return fmt.Errorf("note a webhook's failure: %w", err)
	}
	return nil
}

// pause is how long after the n-th failed try the next one comes.
func (h Hooks) pause(n int) time.Duration {
	if doublings := min(n-1, maxTries); h.FirstPause < h.MaxPause>>doublings {
		return h.FirstPause << doublings
	}
	return h.MaxPause
}
