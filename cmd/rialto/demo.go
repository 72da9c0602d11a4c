package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
)

// The demo show: what a newcomer finds when the page opens. It is made over
// the same HTTP API that everybody uses, so that it can do nothing special.
const demoTimeout = 10 * time.Second // between tries, and of one request

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
	// static after newDemo
	url    string
	people map[string]*demoPerson // by e-mail address
	log    *slog.Logger
	// publisher is who publishes a stream on this node now.
	publisher func(media.StreamID) (media.Grant, bool)

	released string // owned by run: the show whose timed release was seen to since this program began
}

func newDemo(url string, publisher func(media.StreamID) (media.Grant, bool), log *slog.Logger) (*demo, error) {
	d := &demo{url: url, people: map[string]*demoPerson{}, log: log, publisher: publisher}
	for _, who := range demoAccounts {
		jar, err := cookiejar.New(nil)
		if err != nil {
			return nil, err
		}
		d.people[who.Email] = &demoPerson{url: url, http: &http.Client{Jar: jar, Timeout: demoTimeout}}
	}
	return d, nil
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
			err := d.people[demoMara].call(ctx, http.MethodPost, "/shows/"+show+"/publish-ticket", nil, &ticket)
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

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
