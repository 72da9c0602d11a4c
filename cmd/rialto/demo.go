package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
)

// The demo show: what a newcomer finds when the page opens. It is made over
// the same HTTP API that everybody uses, so that it can do nothing special.
const (
	demoPassword = "market-on-a-bridge"
	demoTitle    = "Mara's kitchen"
	demoStock    = 40
	demoTimeout  = 10 * time.Second
	maxDemoBody  = 1 << 20
)

type demoAccount struct {
	Email, Name, About string
	Roles              []string
}

var demoAccounts = []demoAccount{
	{"mara@demo.rialto", "Mara", "creator of the demo show", []string{"creator", "brand"}},
	{"vic@demo.rialto", "Vic", "a viewer", []string{"viewer"}},
}

type demoProduct struct {
	title, description, image string
	amount                    int64
}

var demoProducts = []demoProduct{
	{"Copper pan 28 cm", "Hand-hammered copper with a steel lining. Heats evenly, sits flat, lasts longer than any of us.", "/img/copper-pan.svg", 4900},
	{"Cast-iron pan 24 cm", "Pre-seasoned, heavy in a good way. For crusts, steaks and cornbread.", "/img/cast-iron-pan.svg", 3400},
	{"Linen apron", "Washed linen, deep pockets, one size for everybody.", "/img/apron.svg", 2600},
}

// refuseDemo says no to a database with accounts whose password is in the
// README: nobody sells for real money beside them.
func refuseDemo(ctx context.Context, q schema.Querier) error {
	for _, who := range demoAccounts {
		_, err := account.ByEmail(ctx, q, who.Email)
		if err == nil {
			return fmt.Errorf("this database holds the demo account %s, whose password everybody knows: use another database, or set RIALTO_SANDBOX=1 on a machine for trying out", who.Email)
		}
		if !errors.Is(err, account.ErrNoAccount) {
			return err
		}
	}
	return nil
}

// demo keeps the demo show on the air until ctx ends.
type demo struct {
	url  string
	http *http.Client
	log  *slog.Logger
	// publisher is who publishes a stream on this node now.
	publisher func(media.StreamID) (media.Grant, bool)
}

func newDemo(url string, publisher func(media.StreamID) (media.Grant, bool), log *slog.Logger) (*demo, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &demo{url: url, http: &http.Client{Jar: jar, Timeout: demoTimeout}, log: log, publisher: publisher}, nil
}

// run makes the show and loops the demo clip in it, with breaks while a person
// is live there. When somebody ends the show, there is a next one.
func (d *demo) run(ctx context.Context) error {
	for ctx.Err() == nil {
		show, err := d.prepare(ctx)
		if err == nil {
			err = d.perform(ctx, show)
		}
		if err != nil && ctx.Err() == nil {
			d.log.Warn("the demo show is not on; trying again", "error", err)
			pause(ctx, demoTimeout)
		}
	}
	return nil
}

var errShowEnded = errors.New("the demo show was ended")

// perform publishes the clip until the show has ended.
func (d *demo) perform(ctx context.Context, show string) error {
	ctx, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	err := client.Demo(ctx, client.DemoConfig{
		WHIPURL: d.url + "/whip/" + show,
		Token: func(ctx context.Context) (string, error) {
			var ticket struct{ Token string }
			err := d.call(ctx, http.MethodPost, "/shows/"+show+"/publish-ticket", nil, &ticket)
			if problem := (&apiProblem{}); errors.As(err, &problem) && problem.Code == "show_ended" {
				ended(errShowEnded)
			}
			return ticket.Token, err
		},
		// Asked only while the clip is not on.
		Yield: func() bool {
			_, live := d.publisher(media.StreamID(show))
			return live
		},
		Log: d.log,
	})
	if errors.Is(context.Cause(ctx), errShowEnded) {
		return nil
	}
	return err
}

// prepare signs the demo people up or in, and makes sure that the show, its
// products and a pin are there.
func (d *demo) prepare(ctx context.Context) (show string, err error) {
	for i := len(demoAccounts) - 1; i >= 0; i-- { // the creator last: the cookies stay hers
		if err := d.enter(ctx, demoAccounts[i]); err != nil {
			return "", fmt.Errorf("demo account %s: %w", demoAccounts[i].Email, err)
		}
	}
	if show, err = d.findShow(ctx); err != nil {
		return "", fmt.Errorf("demo show: %w", err)
	}
	return show, d.stockShow(ctx, show)
}

func (d *demo) enter(ctx context.Context, who demoAccount) error {
	credentials := map[string]any{"email": who.Email, "password": demoPassword}
	err := d.call(ctx, http.MethodPost, "/sessions", credentials, nil)
	if problem := (&apiProblem{}); !errors.As(err, &problem) || problem.Status != http.StatusUnauthorized {
		return err
	}
	return d.call(ctx, http.MethodPost, "/accounts", map[string]any{
		"id": commerce.NewID[commerce.AccountID](), "email": who.Email, "name": who.Name, "password": demoPassword, "roles": who.Roles,
	}, nil)
}

func (d *demo) findShow(ctx context.Context) (string, error) {
	var mine struct {
		Shows []struct{ ID, Title, State string }
	}
	if err := d.call(ctx, http.MethodGet, "/shows/mine", nil, &mine); err != nil {
		return "", err
	}
	for _, s := range mine.Shows {
		if s.Title == demoTitle && s.State != "ended" {
			return s.ID, nil
		}
	}
	id := commerce.NewID[commerce.ShowID]().String()
	return id, d.call(ctx, http.MethodPut, "/shows/"+id, map[string]any{
		"title": demoTitle, "description": "Pans that outlive their cooks. A demo: nothing here costs real money.",
	}, nil)
}

func (d *demo) stockShow(ctx context.Context, show string) error {
	var sheet struct {
		Products []struct{ Title string }
		Pinned   *string
	}
	if err := d.call(ctx, http.MethodGet, "/shows/"+show+"/products", nil, &sheet); err != nil {
		return err
	}
	have := map[string]bool{}
	for _, p := range sheet.Products {
		have[p.Title] = true
	}
	first := ""
	for _, p := range demoProducts {
		if have[p.title] {
			continue
		}
		id := commerce.NewID[commerce.ProductID]().String()
		if err := d.call(ctx, http.MethodPut, "/shows/"+show+"/products/"+id, map[string]any{
			"title": p.title, "description": p.description, "image": p.image, "price": map[string]any{"amount": p.amount, "currency": "EUR"},
			"stock": demoStock, "variant": commerce.NewID[commerce.VariantID](),
		}, nil); err != nil {
			return err
		}
		if first == "" {
			first = id
		}
	}
	if sheet.Pinned != nil || first == "" {
		return nil
	}
	return d.call(ctx, http.MethodPut, "/shows/"+show+"/pin", map[string]any{"product": first}, nil)
}

// apiProblem is a refusal of our own API (RFC 9457).
type apiProblem struct {
	Status       int
	Code, Detail string
}

func (p *apiProblem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// call makes one request of the API and reads the answer into out.
func (d *demo) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, d.url+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in == nil {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := d.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDemoBody))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		problem := &apiProblem{Status: resp.StatusCode}
		_ = json.Unmarshal(text, problem) // what cannot be read has its status at least
		return problem
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, out)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
