package sandbox

import (
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
)

// challengeID is the form of every id of a challenge; anything else is unknown and never asked for.
var challengeID = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// Pages serves the page of 3-D Secure to buyers, who do not reach the sandbox themselves: mount it as GET and POST of
// <public>/challenge/{id}. It passes on that one path and a small form, and no cookie either way.
func (c *Client) Pages() http.Handler {
	base, err := url.Parse(c.base)
	if err != nil {
		panic("sandbox: NewClient took an address that is none")
	}
	proxy := &httputil.ReverseProxy{
		Transport: c.web.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: base.Scheme, Host: base.Host})
			r.Out.URL.Path, r.Out.URL.RawPath, r.Out.URL.RawQuery = base.Path+"/challenge/"+r.In.PathValue("id"), "", ""
			r.Out.Header = http.Header{}
			if kind := r.In.Header.Get("Content-Type"); kind != "" {
				r.Out.Header.Set("Content-Type", kind)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("Set-Cookie")
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				show(w, http.StatusRequestEntityTooLarge, unreadablePage)
				return
			}
			w.Header().Set("Retry-After", "2")
			show(w, http.StatusBadGateway, awayPage)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
			w.Header().Set("Allow", "GET, HEAD, POST")
			show(w, http.StatusMethodNotAllowed, unknownPage)
		case !challengeID.MatchString(r.PathValue("id")):
			show(w, http.StatusNotFound, unknownPage)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			proxy.ServeHTTP(w, r)
		}
	})
}
