package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// company is a server that writes down what comes.
type company struct {
	mu   sync.Mutex
	came []string // guarded by mu
}

func (c *company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // half a request is none
	}
	c.mu.Lock()
	c.came = append(c.came, r.Method+" "+r.URL.Path+" "+string(body))
	c.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, "/capture"):
		fmt.Fprint(w, `{"id":"ch_1","status":"captured","amount":500,"captured":500}`)
	case r.URL.Path == "/charges":
		fmt.Fprint(w, `{"id":"ch_1","status":"authorised","amount":500}`)
	}
}

func (c *company) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	came := c.came
	c.came = nil
	return came
}

// newWireTo is a wire to a company of the test's own.
func newWireTo(t *testing.T) (*wire, *company, string) {
	t.Helper()
	c := &company{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	w, err := newWire("secret", func() string { return server.URL })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w, c, server.URL
}

func post(t *testing.T, url, body string) (int, string, error) {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func TestTheWireToTheCompany(t *testing.T) {
	w, c, _ := newWireTo(t)
	const whole = `{"id":"ch_1","status":"authorised","amount":500}`
	for name, f := range map[string]struct {
		faults bankFaults
		comes  int
		status int
		body   string
		breaks bool
	}{
		"calm":         {bankFaults{}, 1, 200, whole, false},
		"breaks":       {bankFaults{breaks: 100}, 0, 500, "", false},
		"breaks after": {bankFaults{breaksAfter: 100}, 1, 500, "", false},
		"cut":          {bankFaults{cutAfter: 100}, 1, 0, "", true},
		"garbled":      {bankFaults{garbled: 100}, 1, 200, whole[:len(whole)/2], false},
		"slow":         {bankFaults{slow: 100}, 1, 200, whole, false},
		"at once":      {bankFaults{atOnce: true}, 2, 200, `{"id":"ch_1","status":"captured","amount":500,"captured":500}`, false},
	} {
		w.weather(f.faults, hookFaults{}, Cell{Seed: 1})
		status, body, err := post(t, w.url+"/charges", "{}")
		if (err != nil) != f.breaks || status != f.status || f.body != "" && body != f.body {
			t.Errorf("%s: %d %q %v", name, status, body, err)
		}
		if came := c.took(); len(came) != f.comes {
			t.Errorf("%s: the company saw %q", name, came)
		}
		wrong := 1
		if name == "calm" || name == "at once" {
			wrong = 0
		}
		if hit := w.weather(bankFaults{}, hookFaults{}, Cell{}); hit != wrong {
			t.Errorf("%s: %d calls went wrong, want %d", name, hit, wrong)
		}
	}
	w.weather(bankFaults{silent: 100}, hookFaults{}, Cell{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/charges", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := http.DefaultClient.Do(r); err == nil {
		answer.Body.Close()
		t.Errorf("silence answers %d", answer.StatusCode)
	}
	if hit := w.weather(bankFaults{}, hookFaults{}, Cell{}); hit != 1 {
		t.Errorf("%d calls went wrong, want 1", hit)
	}
}

func TestTheWireFromTheCompany(t *testing.T) {
	w, c, own := newWireTo(t)
	// What a node registers comes our way.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.url+"/webhooks", strings.NewReader(`{"url":"`+own+`/hooks/payments/sandbox"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	var end struct{ URL string }
	if _, body, _ := strings.Cut(c.took()[0], "/webhooks "); json.Unmarshal([]byte(body), &end) != nil || !strings.HasPrefix(end.URL, w.url+hookPath) {
		t.Fatalf("the company is to tell %q", end.URL)
	}
	for name, f := range map[string]struct {
		faults hookFaults
		comes  int
		status int
	}{
		"calm": {hookFaults{}, 1, 200}, "lost": {hookFaults{lost: 100}, 0, 200}, "twice": {hookFaults{twice: 100}, 2, 200},
		"unheard": {hookFaults{unheard: 100}, 1, 502},
	} {
		w.weather(bankFaults{}, f.faults, Cell{})
		status, _, err := post(t, end.URL, "told")
		came := c.took()
		if err != nil || status != f.status || len(came) != f.comes {
			t.Errorf("%s: %d %v, came %q", name, status, err, came)
		}
		for _, one := range came {
			if one != "POST /hooks/payments/sandbox told" {
				t.Errorf("%s: came %q", name, one)
			}
		}
	}
	w.weather(bankFaults{}, hookFaults{late: 100}, Cell{})
	if status, _, err := post(t, end.URL, "told"); err != nil || status != http.StatusOK {
		t.Errorf("late: %d %v", status, err)
	}
	w.behind.Wait()
	if came := c.took(); len(came) != 1 {
		t.Errorf("late: came %q", came)
	}
	// One that would be one too many of those that are on their way is not late.
	w.mu.Lock()
	w.late = hooksBehind
	w.mu.Unlock()
	if status, _, err := post(t, end.URL, "told"); err != nil || status != http.StatusOK || len(c.took()) != 1 {
		t.Errorf("one too many: %d %v", status, err)
	}
}

// A request that is cut on its way there is none, one that is cut on its way back was answered, and the next one is whole.
func TestCutLines(t *testing.T) {
	c := &company{}
	server := httptest.NewServer(c)
	defer server.Close()
	browser := newBrowser(netip.MustParseAddr("127.1.9.9"))
	defer browser.CloseIdleConnections()
	for _, step := range []struct {
		lost  cut
		comes int
		fails bool
	}{{whole, 1, false}, {there, 0, true}, {whole, 1, false}, {andBack, 1, true}, {andBack, 1, true}, {there, 0, true}, {whole, 1, false}} {
		a, _, err := ask(withCut(t.Context(), step.lost), browser, "", server.URL, http.MethodPut, "/holds/hld_1", map[string]any{"quantity": 1})
		if (err != nil) != step.fails || err == nil && a.status != http.StatusOK {
			t.Errorf("%d: %d %v", step.lost, a.status, err)
		}
		if came := c.took(); len(came) != step.comes || len(came) > 0 && came[0] != `PUT /api/v1/holds/hld_1 {"quantity":1}` {
			t.Errorf("%d: came %q", step.lost, came)
		}
	}
}
