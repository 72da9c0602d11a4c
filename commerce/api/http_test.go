package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
)

func TestWhateverIsWrongIsAProblem(t *testing.T) {
	s := newSite(t)
	b, _ := s.signUp("mara", "creator")
	show, whole := b.newShow(), t
	atLimit := func(n int) string {
		const frame = `{"title":"T","description":""}`
		return `{"title":"T","description":"` + strings.Repeat(" ", n-len(frame)) + `"}`
	}
	for name, c := range map[string]struct {
		status             int
		code, method, path string
		body               any
	}{
		"no such address":      {404, "not_found", "GET", "/nothing", nil},
		"below nothing":        {404, "not_found", "POST", "/shows/" + show + "/nothing/at/all", "{}"},
		"another method":       {405, "method_not_allowed", "DELETE", "/me", nil},
		"not JSON":             {400, "malformed", "PUT", "/shows/" + show, "{"},
		"no body":              {400, "malformed", "PUT", "/shows/" + show, nil},
		"wrong type":           {422, "invalid", "PUT", "/shows/" + show, `{"title": 5}`},
		"unknown member":       {422, "invalid", "PUT", "/shows/" + show, `{"title": "T", "titel": "T"}`},
		"id of another kind":   {422, "invalid", "GET", "/shows/" + commerce.NewID[commerce.HoldID]().String(), nil},
		"id too long":          {422, "invalid", "GET", "/shows/" + strings.Repeat("x", 3000), nil},
		"unknown show":         {404, "show_unknown", "GET", "/shows/" + commerce.NewID[commerce.ShowID]().String(), nil},
		"unknown state":        {422, "invalid", "GET", "/shows?state=forever", nil},
		"body at the limit":    {200, "", "PUT", "/shows/" + show, atLimit(api.MaxBody)},
		"body past it":         {413, "body_too_large", "PUT", "/shows/" + show, atLimit(api.MaxBody + 1)},
		"a body of two limits": {413, "body_too_large", "PUT", "/shows/" + show, atLimit(2 * api.MaxBody)},
		"a foreign cursor":     {422, "cursor_invalid", "GET", "/shows?cursor=eHh4", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			defer func() { s.t = whole }()
			r := b.want(c.status, c.code, c.method, c.path, c.body)
			if c.status == 405 && !strings.Contains(r.header.Get("Allow"), "GET") {
				t.Errorf("405 without Allow: %v", r.header)
			}
		})
	}
	b.header.Set("Content-Type", "text/html")
	b.want(415, "media_type", "PUT", "/shows/"+show, `{"title":"T"}`)
}

func TestTheDocumentDescribesEveryOperation(t *testing.T) {
	s := newSite(t)
	r := s.browser().do("GET", "/openapi.json", nil)
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Summary     string
			Tags        []string
			Responses   map[string]struct {
				Content map[string]any
			}
		}
	}
	if err := json.Unmarshal(r.raw, &document); err != nil || !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Fatalf("%v, version %q", err, document.OpenAPI)
	}
	for _, want := range []string{"/api/v1/me", "/api/v1/accounts", "/api/v1/sessions/current", "/api/v1/shows/{show}/stream-key", "/api/v1/shows/{show}/bans/{subject}"} {
		if document.Paths[want] == nil {
			t.Errorf("%s is missing", want)
		}
	}
	for path, methods := range document.Paths {
		for method, o := range methods {
			if o.OperationID == "" || o.Summary == "" || len(o.Tags) != 1 || o.Responses["default"].Content["application/problem+json"] == nil {
				t.Errorf("%s %s is not fully described: %+v", method, path, o)
			}
		}
	}
	if !strings.Contains(string(r.raw), `"code"`) {
		t.Error("the form of a problem is missing")
	}
}

func TestPictures(t *testing.T) {
	b := newSite(t).browser()
	r := b.do("GET", "/pictures/pan.svg", nil)
	if r.status != 200 || r.header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(string(r.raw), "<svg") ||
		r.header.Get("Content-Security-Policy") == "" || !strings.Contains(r.header.Get("Cache-Control"), "public") {
		t.Errorf("%d %v %.60s", r.status, r.header, r.raw)
	}
	b.want(404, "not_found", "GET", "/pictures/nothing.svg", nil)
	b.want(404, "not_found", "GET", "/pictures/..%2fpicture.go", nil)
}

func TestConfigSaysAllThatIsMissing(t *testing.T) {
	_, err := api.New(api.Config{})
	for _, want := range []string{"pool", "logger", "clock", "registerer", "account", "signer", "limiter", "kick", "WHIPURL", "RemoteAddr"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestRequestsAreCountedByRouteNotByPath(t *testing.T) {
	registry := prometheus.NewRegistry()
	s := newSite(t, func(c *api.Config) { c.Registerer = registry })
	b := s.browser()
	for range 3 {
		b.want(404, "show_unknown", "GET", "/shows/"+commerce.NewID[commerce.ShowID]().String(), nil)
	}
	b.want(404, "not_found", http.MethodGet, "/anything-"+commerce.NewID[commerce.ShowID]().String(), nil)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	routes := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "rialto_commerce_api_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "route" {
					routes[l.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
	}
	if routes["GET /shows/{show}"] != 3 || routes["none"] != 1 || len(routes) != 2 {
		t.Errorf("routes %v", routes)
	}
}
