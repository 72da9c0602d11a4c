package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A crowd watches the real program, over the limits of one address.
func TestLoadWatch(t *testing.T) {
	n := newMarket(t).node()
	mara := n.signUp("mara", "creator")
	show := mara.newShow()
	mara.goLive(show)
	sees(t, n.guest().watch(show), 1)
	code, out, errs := ask(t, "", nil, "load", "watch", "--url", n.url+"/whep/"+show, "--viewers", "65", "--seconds", "8")
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	if !strings.Contains(out, "joined        65, of them playing 65, ended by the server 0") || strings.Contains(out, "refused      ") {
		t.Errorf("not all have watched:\n%s", out)
	}
	if !regexp.MustCompile(`packets       [1-9]\d+ video \(VP8\), [1-9]\d+ audio`).MatchString(out) {
		t.Errorf("nothing came:\n%s", out)
	}
}

// A crowd talks in the room of a show, as guests that the real API makes.
func TestLoadChat(t *testing.T) {
	n := newMarket(t).node()
	show := n.signUp("mara", "creator").newShow()
	code, out, errs := ask(t, "", nil, "load", "chat", "--url", "ws"+strings.TrimPrefix(n.url, "http")+"/ws", "--room", show,
		"--viewers", "12", "--lines", "4", "--hearts", "10", "--seconds", "6")
	if code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, errs, out)
	}
	for _, want := range []string{`joins +12 of 12 viewers, 0 resumed`, `lines +\d+ tried, [1-9]\d* said`, `heard +[1-9]\d* times`, `hearts +[1-9]`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// Buyers come to the real program, which sells what it has, to the last unit and no further: some pay, some walk away,
// and what those leave behind is sold to others.
func TestLoadBuy(t *testing.T) {
	const units = 40
	n := newMarket(t).node(func(c *Config) { c.HoldTTL = time.Second })
	mara := n.signUp("mara", "creator")
	show := mara.newShow()
	mara.sell(show, units)
	out := newJournal(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- runLoad(ctx, []string{"buy", "--url", n.url, "--show", show, "--buyers", "20", "--think", "20ms", "--pay", "80"}, terminal{out: out, err: out})
	}()
	said := func(what string) bool { return regexp.MustCompile(what).MatchString(out.String()) }
	eventually(t, "all is sold, and somebody was told so", func() bool { return said(`[1-9]\d* refused, .*; 40 paid, [1-9]`) })
	stop()
	if err := <-done; err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`visits +[1-9]`, `yours +[1-9]`, `refused +[1-9]\d* with sold_out`, `tap to yours +p50 \d+\.\d ms, p99`, `paid +40, `, `walked away +\d`} {
		if !said(want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if orders := n.market.count(`select count(*) from orders where state in ('confirmed', 'captured')`); orders != units {
		t.Errorf("%d orders for %d units", orders, units)
	}
	n.market.clean(n)
}

func TestLoadSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "load knows"},
		{[]string{"listen"}, "load knows"},
		{[]string{"watch"}, "--url is missing"},
		{[]string{"watch", "--url", "http://192.0.2.1/whep/a"}, "--anywhere"},
		{[]string{"watch", "--url", "http://127.0.0.1/whep/a", "--viewers", "0"}, "--viewers is 1 to"},
		{[]string{"watch", "--url", "http://127.0.0.1/whep/a", "--seconds", "-1"}, "--seconds must not be negative"},
		{[]string{"watch", "http://127.0.0.1/whep/a"}, "takes no"},
		{[]string{"chat"}, "--room is missing"},
		{[]string{"chat", "--url", "ws://192.0.2.1/ws", "--room", "shw_1", "--seconds", "-1"}, "--anywhere"},
		{[]string{"chat", "--url", "ws://127.0.0.1/ws", "--room", "shw_1", "--seconds", "-1"}, "--seconds must not be negative"},
		{[]string{"chat", "now"}, "takes no"},
		{[]string{"buy"}, "--show is missing"},
		{[]string{"buy", "--url", "http://192.0.2.1", "--show", "shw_1", "--seconds", "-1"}, "--anywhere"},
		{[]string{"buy", "--url", "http://127.0.0.1", "--show", "shw_1", "--seconds", "-1"}, "--seconds must not be negative"},
		{[]string{"buy", "now"}, "takes no"},
	} {
		code, out, errs := ask(t, "", nil, append([]string{"load"}, tc.args...)...)
		if code != exitUsage || !strings.Contains(errs, tc.says) || out != "" {
			t.Errorf("load %v: exit code %d, %q, want %q", tc.args, code, errs, tc.says)
		}
	}
	// A server that is not there is no fault of the command line.
	code, _, errs := ask(t, "", nil, "load", "watch", "--url", "http://127.0.0.1:1/whep/a", "--seconds", "1", "--viewers", "2")
	if code != exitFailed || !strings.Contains(errs, "none of 2 viewers could join") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
