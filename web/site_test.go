package web

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func packed(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const script = "console.log('a script long enough that packing it is worth the while of everybody')"

func testSite(t *testing.T, cfg Config) *site {
	t.Helper()
	return newSite(fstest.MapFS{
		"index.html":            {Data: []byte("<title>viewer</title>")},
		"studio.html":           {Data: []byte("<title>studio</title>")},
		"brand.html":            {Data: []byte("<title>brand</title>")},
		"docs.html":             {Data: []byte("<title>docs</title>")},
		"mailbox.html":          {Data: []byte("<title>mailbox</title>")},
		"assets/main-abc.js":    {Data: []byte(script)},
		"assets/main-abc.js.gz": {Data: packed(t, script)},
		"img/pan.svg":           {Data: []byte("<svg/>")},
	}, cfg)
}

func get(h http.Handler, method, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPagesByPath(t *testing.T) {
	s := testSite(t, Config{})
	for path, want := range map[string]struct {
		status int
		title  string
	}{
		"/": {200, "viewer"}, "/s/shw_1": {200, "viewer"}, "/orders/ord_1?link=x": {200, "viewer"},
		"/signin": {200, "viewer"}, "/signup": {200, "viewer"}, "/account": {200, "viewer"},
		"/forgot": {200, "viewer"}, "/reset": {200, "viewer"}, "/reset/x": {404, "viewer"},
		"/mailbox": {404, "viewer"}, "/mailbox/mal_1": {404, "viewer"},
		"/studio": {200, "studio"}, "/studio/shw_1": {200, "studio"},
		"/brand": {200, "brand"}, "/brand/orders": {200, "brand"}, "/brand/shw_1": {200, "brand"}, "/brand/a/b": {404, "brand"}, "/brands": {404, "viewer"},
		"/docs": {200, "docs"}, "/docs/x": {404, "docs"},
		"/nowhere": {404, "viewer"}, "/s": {404, "viewer"}, "/s/a/b": {404, "viewer"},
		"/s/shw_1/ledger?variant=x": {200, "viewer"}, "/s//ledger": {404, "viewer"}, "/s/a/ledger/b": {404, "viewer"}, "/orders/a/ledger": {404, "viewer"},
		"/signin/x":   {404, "viewer"},
		"/index.html": {404, ""}, "/assets/gone.js": {404, ""}, "/assets/main-abc.js.gz": {404, ""},
		"/..%2fembed.go": {404, ""}, "//signin": {404, "viewer"},
	} {
		got := get(s, "GET", "http://shop.test"+path)
		if body := text(t, got); got.StatusCode != want.status || !strings.Contains(body, want.title) {
			t.Errorf("%s: %d %q, want %d with %q", path, got.StatusCode, body, want.status, want.title)
		}
	}
}

func TestTheMailboxIsThereOnlyWhereMailsAreKept(t *testing.T) {
	s := testSite(t, Config{Mailbox: true})
	for path, want := range map[string]int{"/mailbox": 200, "/mailbox/mal_1": 200, "/mailbox/a/b": 404, "/mailbox/": 308} {
		got := get(s, "GET", "http://shop.test"+path)
		if got.StatusCode != want || want == 200 && !strings.Contains(text(t, got), "mailbox") {
			t.Errorf("%s: %d, want %d", path, got.StatusCode, want)
		}
	}
	// Its frame inherits what the page may do: styles of the mail, no stranger's scripts, pictures or forms.
	policy := get(s, "GET", "http://shop.test/mailbox").Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the mailbox's policy %q lacks %s", policy, part)
		}
	}
}

func TestTrailingSlashLeadsToThePageOnly(t *testing.T) {
	s := testSite(t, Config{})
	for path, want := range map[string]string{"/studio/": "/studio", "/brand/": "/brand", "/brand/shw_1/": "/brand/shw_1", "/s/shw_1/": "/s/shw_1", "//evil.test/": "", "//evil.test/s/x/": "", "/nowhere/": ""} {
		got := get(s, "GET", "http://shop.test"+path)
		if to := got.Header.Get("Location"); to != want {
			t.Errorf("%s leads to %q, want %q", path, to, want)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	s := testSite(t, Config{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		if got := get(s, method, "http://shop.test/"); got.StatusCode != 405 || got.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, got.StatusCode, got.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/", "/nowhere", "/assets/main-abc.js"} {
		if body := text(t, get(s, "HEAD", "http://shop.test"+path)); body != "" {
			t.Errorf("HEAD %s has a body", path)
		}
	}
}

func TestCaching(t *testing.T) {
	s := testSite(t, Config{})
	for path, want := range map[string]string{"/": cachePage, "/assets/main-abc.js": cacheHashed, "/img/pan.svg": cacheFile, "/nowhere": "no-store"} {
		first := get(s, "GET", "http://shop.test"+path)
		if got := first.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want)
		}
		tag := first.Header.Get("ETag")
		if want == "no-store" {
			continue
		}
		if again := get(s, "GET", "http://shop.test"+path, "If-None-Match", tag); tag == "" || again.StatusCode != 304 {
			t.Errorf("%s: asked again with %q: %d, want 304", path, tag, again.StatusCode)
		}
	}
}

func TestPackedOnlyForThoseWhoTakeIt(t *testing.T) {
	s := testSite(t, Config{})
	const url = "http://shop.test/assets/main-abc.js"
	tags := map[string]string{}
	for accept, want := range map[string]string{"": "", "gzip": "gzip", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "gzip; q=0.000": "", "br": ""} {
		got := get(s, "GET", url, "Accept-Encoding", accept)
		if coding := got.Header.Get("Content-Encoding"); coding != want {
			t.Errorf("Accept-Encoding %q: got %q, want %q", accept, coding, want)
		}
		if got.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: a cache could mix up the two", accept)
		}
		tags[want] = got.Header.Get("ETag")
		if want == "" {
			if body := text(t, got); body != script {
				t.Errorf("Accept-Encoding %q: %q", accept, body)
			}
		}
	}
	if tags[""] == tags["gzip"] {
		t.Error("two encodings share one ETag")
	}
	part := get(s, "GET", url, "Accept-Encoding", "gzip", "Range", "bytes=0-6")
	if body := text(t, part); part.StatusCode != 206 || body != script[:7] {
		t.Errorf("range of the packed file: %d %q", part.StatusCode, body)
	}
}

func TestPolicy(t *testing.T) {
	nodes := []string{"https://n2.shop.test", "http://127.0.0.2:8080", "javascript:alert(1)", "https://x.test; script-src *", ""}
	s := testSite(t, Config{NodeOrigins: func() []string { return nodes }})
	for path, camera := range map[string]string{"/": "camera=()", "/nowhere": "camera=()", "/brand": "camera=()", "/brand/shw_1": "camera=()", "/studio": "camera=(self)", "/studio/shw_1": "camera=(self)"} {
		h := get(s, "GET", "http://shop.test"+path).Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'",
			"connect-src 'self' https://n2.shop.test wss://n2.shop.test http://127.0.0.2:8080 ws://127.0.0.2:8080;",
		} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", path, csp, want)
			}
		}
		for _, never := range []string{"unsafe", "javascript:", "script-src *", "data:"} {
			if strings.Contains(csp, never) {
				t.Errorf("%s: policy %q contains %q", path, csp, never)
			}
		}
		if !strings.Contains(h.Get("Permissions-Policy"), camera) {
			t.Errorf("%s: Permissions-Policy %q, want %s", path, h.Get("Permissions-Policy"), camera)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: nosniff or referrer policy is missing: %v", path, h)
		}
	}
	if csp := get(s, "GET", "http://shop.test/img/pan.svg").Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") {
		t.Errorf("a picture opened by itself may run scripts: %q", csp)
	}
}

// Stripe stands in the policy of the pages where cards are typed, and only where it is configured.
func TestPolicyWithStripe(t *testing.T) {
	for _, configured := range []bool{false, true} {
		s := testSite(t, Config{Stripe: configured, NodeOrigins: func() []string { return []string{"https://n2.shop.test"} }})
		for path, typed := range map[string]bool{"/": true, "/s/shw_1": true, "/orders/ord_1": true, "/studio": false, "/brand": false, "/docs": false} {
			csp := get(s, "GET", "http://shop.test"+path).Header.Get("Content-Security-Policy")
			if !typed || !configured {
				if strings.Contains(csp, "stripe") {
					t.Errorf("%s, Stripe configured %v: %s", path, configured, csp)
				}
				continue
			}
			for _, want := range []string{
				"script-src 'self' https://js.stripe.com;", "frame-src https://js.stripe.com https://hooks.stripe.com;",
				"connect-src 'self' https://api.stripe.com https://n2.shop.test", "require-trusted-types-for 'script'", "style-src 'self';",
			} {
				if !strings.Contains(csp, want) {
					t.Errorf("%s lacks %q: %s", path, want, csp)
				}
			}
		}
	}
}

func TestPolicyIsBounded(t *testing.T) {
	for _, n := range []int{maxNodeOrigins, maxNodeOrigins + 1} {
		var nodes []string
		for i := range n {
			nodes = append(nodes, fmt.Sprintf("https://n%d.shop.test", i))
		}
		if got := len(sources(nodes)); got != 2*maxNodeOrigins {
			t.Errorf("%d nodes give %d sources, want %d", n, got, 2*maxNodeOrigins)
		}
	}
}

func TestWithoutBuiltPages(t *testing.T) {
	s := newSite(mustSub(static, "static"), Config{})
	s.files = map[string]file{viewerPage: s.files[viewerPage]} // as in a clean clone, whatever is built here
	for _, path := range []string{"/", "/s/shw_1", "/studio", "/brand"} {
		got := get(s, "GET", "http://shop.test"+path)
		if body := text(t, got); !strings.Contains(body, "make build") {
			t.Errorf("%s: %d %q does not say how to build the pages", path, got.StatusCode, body)
		}
	}
}

// TestBuiltPages looks at what is really embedded: with built pages, every
// script and style that a document names must be there, and none be inline.
func TestBuiltPages(t *testing.T) {
	h := Handler(Config{})
	if home := get(h, "GET", "http://shop.test/"); home.StatusCode != 200 {
		t.Fatalf("home: %d", home.StatusCode)
	}
	for _, path := range []string{"/", "/studio", "/brand"} {
		body := text(t, get(h, "GET", "http://shop.test"+path))
		if strings.Contains(body, "<style") || strings.Contains(body, " style=") || strings.Contains(body, "onclick=") {
			t.Errorf("%s holds inline style or script", path)
		}
		for _, part := range strings.Split(body, `"`) {
			if strings.HasPrefix(part, "/assets/") || strings.HasPrefix(part, "/img/") {
				if got := get(h, "GET", "http://shop.test"+part); got.StatusCode != 200 {
					t.Errorf("%s names %s: %d", path, part, got.StatusCode)
				}
			}
		}
	}
}

// The docs page has a library's freedom with styles, and no other page has.
func TestTheDocsHaveAPolicyOfTheirOwn(t *testing.T) {
	s := testSite(t, Config{NodeOrigins: func() []string { return []string{"https://n2.shop.test"} }})
	docs := get(s, "GET", "http://shop.test/docs").Header
	csp := docs.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the docs' policy lacks %q: %s", want, csp)
		}
	}
	if strings.Contains(csp, "n2.shop.test") || docs.Get("X-Frame-Options") != "DENY" || !strings.HasPrefix(docs.Get("Permissions-Policy"), "camera=()") {
		t.Errorf("the docs may too much: %v", docs)
	}
	for _, path := range []string{"/", "/studio", "/brand"} {
		if csp := get(s, "GET", "http://shop.test"+path).Header.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || !strings.Contains(csp, "require-trusted-types-for") {
			t.Errorf("%s: %s", path, csp)
		}
	}
}
