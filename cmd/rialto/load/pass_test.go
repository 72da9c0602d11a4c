package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// A busy server: the first requests are told to come back.
func busy(t *testing.T, times int, retryAfter string) string {
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if times--; times >= 0 {
			w.Header().Set("Retry-After", retryAfter)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusGone)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/whep/a"
}

func TestRefusedOnceComesBackWhenToldTo(t *testing.T) {
	crowd := open(t, Config{URL: busy(t, 2, "1"), Viewers: 2, Retry: true})
	if s := crowd.Stats(); s.Waited != 2 || s.Refused[410] != 2 || s.Answered != 2 || len(s.Refused) != 1 {
		t.Errorf("%+v", s)
	}
	for _, after := range []string{"", "soon", "-1", "0"} { // it does not say when, so nobody knows
		if s := open(t, Config{URL: busy(t, 1, after), Viewers: 1, Retry: true}).Stats(); s.Waited != 0 || s.Refused[503] != 1 {
			t.Errorf("Retry-After %q: %+v", after, s)
		}
	}
	if s := open(t, Config{URL: busy(t, 1, "1"), Viewers: 1}).Stats(); s.Waited != 0 || s.Refused[503] != 1 {
		t.Errorf("without being asked to: %+v", s)
	}
}

func TestPatienceEnds(t *testing.T) {
	told := &Refused{Status: 503, RetryAfter: time.Second}
	synctest.Test(t, func(t *testing.T) {
		c := &Crowd{config: Config{Retry: true}}
		asked, began := 0, time.Now()
		err := c.patiently(t.Context(), func() error { asked++; return fmt.Errorf("join: %w", told) })
		if took := time.Since(began); !errors.Is(err, told) || asked != maxReturns+1 || took < maxReturns*time.Second || took > maxReturns*(time.Second+retryJitter) {
			t.Errorf("%v after %d times in %v", err, asked, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if err := c.patiently(ctx, func() error { return &Refused{503, time.Hour} }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who has had enough: %v", err)
		}
	})
}

// Viewers begin evenly, however long each takes.
func TestRate(t *testing.T) {
	var mu sync.Mutex
	var at []time.Time
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		at = append(at, time.Now())
		all := len(at) == 20
		mu.Unlock()
		if all {
			close(hold)
		}
		<-hold // all are on their way at once, or this never ends
		w.WriteHeader(http.StatusGone)
	}))
	t.Cleanup(server.Close)
	began := time.Now()
	crowd := open(t, Config{URL: server.URL + "/whep/a", Viewers: 20, Rate: 50})
	if s := crowd.Stats(); s.Refused[410] != 20 {
		t.Errorf("%+v", s)
	}
	if took := at[19].Sub(began); took < 19*time.Second/50 {
		t.Errorf("the last came after %v", took)
	}
}

// Whatever way a viewer leaves, nothing of it is left here, and the server does not hold it for longer than it must.
func TestPass(t *testing.T) {
	n := whiptest.Start(t)
	publish(t, n, "shw_a")
	crowd := open(t, Config{URL: n.WHEP("shw_a"), Viewers: 1, Retry: true})
	for i, how := range []Leaving{Deletes, SaysGoodbye, FallsSilent, NeverAnswers, NeverShakesHands} {
		if err := crowd.Pass(t.Context(), i+1, how); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	crowd.await(t, "who stays plays", func(s Stats) bool { return s.Playing == 1 })
	if s := crowd.Stats(); s.Joined != 1 || s.Ended != 0 {
		t.Errorf("who passed by is counted: %+v", s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, how := range []Leaving{Deletes, NeverShakesHands} {
		if err := crowd.Pass(ctx, 9, how); !errors.Is(err, context.Canceled) {
			t.Errorf("%s when all is over: %v", how, err)
		}
	}
	nobody := open(t, Config{URL: n.WHEP("shw_ended"), Viewers: 1})
	var refused *Refused
	if err := nobody.Pass(t.Context(), 1, NeverAnswers); !errors.As(err, &refused) || refused.Status != 410 {
		t.Errorf("a show that is over: %v", err)
	}
}

// Those that are looked at show every packet; the others one of a hundred once they have a picture.
func TestLook(t *testing.T) {
	n := whiptest.Start(t)
	publish(t, n, "shw_a")
	var mu sync.Mutex
	seen := map[int]int{}
	crowd := open(t, Config{URL: n.WHEP("shw_a"), Viewers: 2, Retry: true, Look: func(viewer int, since time.Duration) bool { return viewer == 1 && since > 0 }, OnPacket: func(p Packet) {
		mu.Lock()
		defer mu.Unlock()
		if p.Since <= 0 {
			t.Errorf("a packet of %d came %v after its request", p.Viewer, p.Since)
		}
		if !p.Early {
			seen[p.Viewer]++
		}
	}})
	crowd.await(t, "many packets", func(s Stats) bool { return s.Video > 600 })
	mu.Lock()
	defer mu.Unlock()
	if seen[1] < 200 || seen[0] > seen[1]/10 {
		t.Errorf("shown %v", seen)
	}
}
