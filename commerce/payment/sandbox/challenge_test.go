package sandbox

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce/payment"
)

const (
	asking  = "4000 0000 0000 3220"
	wayBack = "https://shop.example/orders/ord_1?link=a.b%2Bc"
	nowhere = "javascript:alert(1)"
)

// asked is a charge that waits for its buyer.
func (c *company) asked(back string) payment.Charge {
	c.t.Helper()
	a := c.wish(asking)
	a.Return = back
	charge, err := c.Authorise(c.t.Context(), a)
	if err != nil || charge.Status != payment.ChargeRequiresAction || !strings.HasPrefix(charge.Action, c.base+"/challenge/") {
		c.t.Fatalf("%+v %v", charge, err)
	}
	again, err := c.Authorise(c.t.Context(), a)
	if err != nil || again != charge {
		c.t.Fatalf("asked again: %+v %v, it was %+v", again, err, charge)
	}
	return charge
}

// answer is what a browser without scripts gets.
type answer struct {
	status int
	header http.Header
	text   string
}

// browse reads a page, or sends its form.
func (c *company) browse(method, address, body string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.web.Do(r) // follows no redirect
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// form presses a button of a page that was read: what is sent is what the page has.
func (c *company) form(address, label string) answer {
	c.t.Helper()
	page := c.browse(http.MethodGet, address, "")
	form := regexp.MustCompile(`(?s)<form method="post">(.*)</form>`).FindStringSubmatch(page.text)
	if page.status != http.StatusOK || form == nil {
		c.t.Fatalf("%s has no form: %d %s", address, page.status, page.text)
	}
	button := regexp.MustCompile(`name="([a-z]+)" value="([a-z]+)">` + label + `<`).FindStringSubmatch(form[1])
	if button == nil {
		c.t.Fatalf("there is no button %s in %s", label, form[1])
	}
	return c.browse(http.MethodPost, address, url.Values{button[1]: {button[2]}}.Encode())
}

func (c *company) is(id string, want payment.Status, decline string) {
	c.t.Helper()
	charge, err := c.Get(c.t.Context(), id)
	if err != nil || charge.Status != want || charge.Decline != decline || (charge.Action != "") != (want == payment.ChargeRequiresAction) {
		c.t.Fatalf("%+v %v, want %s %q", charge, err, want, decline)
	}
}

func TestBuyerConfirmsOrRefuses(t *testing.T) {
	c := newCompany(t)
	for label, want := range map[string]struct {
		status  payment.Status
		decline string
		says    string
	}{
		"Confirm": {payment.ChargeAuthorised, "", "is confirmed"},
		"Refuse":  {payment.ChargeDeclined, "authentication_failed", "is refused"},
	} {
		charge := c.asked(wayBack)
		page := c.browse(http.MethodGet, charge.Action, "")
		for _, words := range []string{"49.00 EUR", "Rialto", "Confirm", "Refuse", `lang="en"`, "<h1>", "width=device-width"} {
			if !strings.Contains(page.text, words) {
				t.Errorf("the page lacks %q: %s", words, page.text)
			}
		}
		if strings.Contains(page.text, "<script") || strings.Contains(page.text, "ZgotmplZ") {
			t.Errorf("the page has what it should not: %s", page.text)
		}
		c.is(charge.ID, payment.ChargeRequiresAction, "")
		if _, err := c.Capture(t.Context(), charge.ID, price, "early "+label); err == nil {
			t.Error("captured before its buyer has said yes")
		}
		done := c.form(charge.Action, label)
		if done.status != http.StatusSeeOther || done.header.Get("Location") != wayBack {
			t.Errorf("%s: %d to %q", label, done.status, done.header.Get("Location"))
		}
		c.is(charge.ID, want.status, want.decline)
		for _, late := range []string{"answer=confirm", "answer=refuse"} {
			again := c.browse(http.MethodPost, charge.Action, late)
			if again.status != http.StatusConflict || !strings.Contains(again.text, want.says) || !strings.Contains(again.text, "Nothing has changed") {
				t.Errorf("%s after %s: %d %s", late, label, again.status, again.text)
			}
			c.is(charge.ID, want.status, want.decline)
		}
		after := c.browse(http.MethodGet, charge.Action, "")
		if after.status != http.StatusOK || !strings.Contains(after.text, want.says) || strings.Contains(after.text, "<form") ||
			!strings.Contains(after.text, `href="https://shop.example/orders/ord_1?link=a.b%2Bc"`) {
			t.Errorf("looked at again: %d %s", after.status, after.text)
		}
	}
}

// The page loads and runs nothing, and sends a form nowhere but home and to where its buyer came from.
func TestChallengePageIsLocked(t *testing.T) {
	c := newCompany(t)
	page := c.browse(http.MethodGet, c.asked(wayBack).Action, "")
	policy := page.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "style-src 'sha256-", "form-action 'self' https://shop.example;", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q lacks %q", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v", page.header)
	}
	if !strings.Contains(page.text, "<style>"+challengeStyle+"</style>") {
		t.Error("the style of the page is not the one that the policy allows")
	}
}

func TestChallengeWithoutAWayBack(t *testing.T) {
	c := newCompany(t)
	charge := c.asked("")
	if done := c.form(charge.Action, "Confirm"); done.status != http.StatusOK || !strings.Contains(done.text, "You can close this window") {
		t.Errorf("%d %s", done.status, done.text)
	}
	c.is(charge.ID, payment.ChargeAuthorised, "")
	for _, bad := range []string{nowhere, "//evil.example", "/orders", "https://a b/", "https://user@shop.example/", "https://a;script-src/", "ftp://x/"} {
		a := c.wish(asking)
		a.Return = bad
		if _, err := c.Authorise(t.Context(), a); err == nil {
			t.Errorf("buyers would be sent to %q", bad)
		}
	}
}

func TestVoidDuringAChallenge(t *testing.T) {
	c := newCompany(t)
	charge := c.asked(wayBack)
	if got, err := c.Void(t.Context(), payment.Authorisation{Reference: charge.Reference}); err != nil || got.Status != payment.ChargeVoided || got.Action != "" {
		t.Fatalf("%+v %v", got, err)
	}
	for _, late := range []string{"answer=confirm", "answer=refuse"} {
		if got := c.browse(http.MethodPost, charge.Action, late); got.status != http.StatusConflict || !strings.Contains(got.text, "was ended") {
			t.Errorf("%s after the void: %d %s", late, got.status, got.text)
		}
	}
	c.is(charge.ID, payment.ChargeVoided, "")
}

// Confirm, Refuse and a void at once: one of them wins, and all later looks agree.
func TestAnswersAtOnce(t *testing.T) {
	c := newCompany(t)
	for range 10 {
		charge := c.asked(wayBack)
		var all sync.WaitGroup
		won := make(chan string, 6)
		for range 2 {
			for _, form := range []string{"answer=confirm", "answer=refuse"} {
				all.Go(func() {
					if c.browse(http.MethodPost, charge.Action, form).status == http.StatusSeeOther {
						won <- form
					}
				})
			}
			all.Go(func() {
				_, _ = c.Void(t.Context(), payment.Authorisation{Reference: charge.Reference}) // looked at below
			})
		}
		all.Wait()
		close(won)
		var winners []string
		for form := range won {
			winners = append(winners, form)
		}
		end, err := c.Get(t.Context(), charge.ID)
		if err != nil || len(winners) > 1 {
			t.Fatalf("%v won, %v", winners, err)
		}
		// A void ends what was confirmed as well; what was refused stays so.
		if want := "[answer=refuse]"; (end.Status == payment.ChargeDeclined) != (len(winners) == 1 && "["+winners[0]+"]" == want) ||
			end.Status != payment.ChargeDeclined && end.Status != payment.ChargeVoided {
			t.Fatalf("%v won, and it is %+v", winners, end)
		}
	}
}

// behind is a shop's own server, with the pages mounted as a node does.
func (c *company) behind(bank *Client) *httptest.Server {
	c.t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/sandbox/challenge/{id}", bank.Pages())
	front := httptest.NewServer(mux)
	c.t.Cleanup(front.Close)
	return front
}

func TestPagesThroughAShop(t *testing.T) {
	c := newCompany(t)
	var front *httptest.Server
	charge := c.asked(wayBack)
	front = c.behind(c.Client)
	through, err := NewClient(c.base, secret, front.URL+"/sandbox", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if charge, err = through.Get(t.Context(), charge.ID); err != nil || !strings.HasPrefix(charge.Action, front.URL+"/sandbox/challenge/") {
		t.Fatalf("%+v %v", charge, err)
	}
	for name, test := range map[string]struct {
		method, address, body string
		status                int
	}{
		"another method":  {"DELETE", charge.Action, "", http.StatusMethodNotAllowed},
		"a large form":    {"POST", charge.Action, "answer=" + strings.Repeat("x", maxForm), http.StatusRequestEntityTooLarge},
		"no answer":       {"POST", charge.Action, "", http.StatusBadRequest},
		"another answer":  {"POST", charge.Action, "answer=maybe", http.StatusBadRequest},
		"an unknown page": {"GET", front.URL + "/sandbox/challenge/" + strings.Repeat("A", 26), "", http.StatusNotFound},
		"no id":           {"GET", front.URL + "/sandbox/challenge/..%2fcharges", "", http.StatusNotFound},
		"another path":    {"POST", front.URL + "/sandbox/voids", "", http.StatusNotFound},
		"an answer there": {"POST", front.URL + "/sandbox/challenge/" + strings.Repeat("A", 26), "answer=confirm", http.StatusNotFound},
	} {
		if got := c.browse(test.method, test.address, test.body); got.status != test.status {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
	c.is(charge.ID, payment.ChargeRequiresAction, "")
	if done := c.form(charge.Action, "Confirm"); done.status != http.StatusSeeOther || done.header.Get("Location") != wayBack {
		t.Errorf("%d %v", done.status, done.header)
	}
	c.is(charge.ID, payment.ChargeAuthorised, "")
	away, err := NewClient("http://127.0.0.1:1", secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	gone := c.behind(away)
	if got := c.browse(http.MethodGet, gone.URL+"/sandbox/challenge/"+strings.Repeat("A", 26), ""); got.status != http.StatusBadGateway || !strings.Contains(got.text, "does not answer") {
		t.Errorf("without a sandbox: %d %s", got.status, got.text)
	}
}

// What a browser sends besides its form stays with the shop: the sandbox is another company.
func TestPagesPassOnNoCookie(t *testing.T) {
	seen := make(chan http.Header, 1)
	bank := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Clone()
		w.Header().Set("Set-Cookie", "theirs=1")
	}))
	defer bank.Close()
	client, err := NewClient(bank.URL, secret, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	c := &company{t: t, Client: client}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.behind(client).URL+"/sandbox/challenge/"+strings.Repeat("A", 26)+"?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "session=secret")
	r.Header.Set("Authorization", "Bearer secret")
	resp, err := client.web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := <-seen; got.Get("Cookie") != "" || got.Get("Authorization") != "" || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("passed on %v, and back %v", got, resp.Header)
	}
}
