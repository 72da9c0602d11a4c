package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

func event(key string, v int64) realtime.Event {
	return realtime.Event{Type: "stock.set", Key: key, Version: v, Data: json.RawMessage(`{}`)}
}

func TestStateRules(t *testing.T) {
	var s State
	news := func(got []realtime.Event, want int) {
		t.Helper()
		if len(got) != want {
			t.Fatalf("%d events were news, want %d", len(got), want)
		}
	}
	news(s.replace(realtime.Position{Epoch: "e", Offset: 3}, []realtime.Event{event("a", 5), event("b", 5)}), 2)
	news(s.follow(4, []realtime.Event{event("a", 5)}), 0) // the same again
	news(s.follow(5, []realtime.Event{event("a", 4)}), 0) // an older one
	news(s.follow(6, []realtime.Event{event("a", 7), event("c", 9)}), 2)
	// An older snapshot: a stays at 7, b is gone, c is newer than the snapshot.
	news(s.replace(realtime.Position{Epoch: "f", Offset: 1}, []realtime.Event{event("a", 6)}), 0)
	all := s.All()
	if len(all) != 2 || all[Key{"stock.set", "a"}].Version != 7 || all[Key{"stock.set", "c"}].Version != 9 {
		t.Fatalf("state %v", all)
	}
	if s.Position() != (realtime.Position{Epoch: "f", Offset: 1}) || s.Version() != 9 {
		t.Fatalf("at %v, version %d", s.Position(), s.Version())
	}
}

func TestWhatAClientMakesOfACloseCode(t *testing.T) {
	for _, c := range []struct {
		code  realtime.Code
		text  string
		final bool
		wait  time.Duration
		told  bool
	}{
		{4000, `{"reconnect_after":1500}`, false, 1500 * time.Millisecond, true},
		{4000, `{"reconnect_after":99999999}`, false, maxTold, true},
		{4000, `{"reconnect_after":-1}`, false, 0, false},
		{4001, "slow", false, 0, false},
		{1006, "", false, 0, false},
		{4100, "", true, 0, false},
		{4101, "", true, 0, false},
		{4103, "", true, 0, false},
		{4112, "", false, 0, false},
	} {
		err := fmt.Errorf("lost: %w", &closedError{c.code, c.text})
		if final := finalError(err); (final != nil) != c.final {
			t.Errorf("%d: final %v", c.code, final)
		}
		if wait, told := reconnectAfter(err); wait != c.wait || told != c.told {
			t.Errorf("%d %s: wait %v %v", c.code, c.text, wait, told)
		}
	}
	if finalError(errors.New("reset by peer")) != nil {
		t.Error("a broken line is final")
	}
}

func TestWhatAClientMakesOfARefusal(t *testing.T) {
	for _, c := range []struct {
		status      int
		retry       string
		final       bool
		least, most time.Duration // of the wait it was told
	}{
		{403, "", true, 0, 0},
		{404, "5", true, 0, 0},
		{503, "2", false, 2 * time.Second, 3 * time.Second},
		{503, "0", false, backoffFirst, 2 * backoffFirst},
		{429, "5", false, -1, -1},
		{408, "", false, -1, -1},
		{503, "9999999999", false, time.Minute, 90 * time.Second},
		{503, "-1", false, -1, -1},
		{503, "Wed, 21 Oct 2026 07:28:00 GMT", false, -1, -1},
		{503, "", false, -1, -1},
		{500, "2", false, -1, -1},
		{200, "", false, -1, -1},
		{302, "", false, -1, -1},
	} {
		err := refusal(&http.Response{StatusCode: c.status, Header: http.Header{"Retry-After": {c.retry}}})
		if final := finalError(err); (final != nil) != c.final {
			t.Errorf("%d: final %v", c.status, final)
		}
		for range 20 {
			wait, told := reconnectAfter(err)
			if want := !c.final && c.least >= 0; told != want || told && (wait < c.least || wait > c.most) {
				t.Errorf("%d %q: wait %v %v", c.status, c.retry, wait, told)
			}
		}
	}
}
