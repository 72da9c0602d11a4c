package whip

import "net/http"

const (
	allowedHeaders = "Authorization, Content-Type, If-Match"
	exposedHeaders = "ETag, Link, Location, Retry-After"
	preflightAge   = "600" // seconds a browser may remember the answer
)

// cors tells a browser whether the page at another origin may read the
// answer. An origin that is not allowed gets no header, and the browser
// refuses: it is the browser that CORS speaks to, other clients send no Origin.
func (h *Handler) cors(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || h.config.AllowOrigin == nil || !h.config.AllowOrigin(origin) {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("Access-Control-Expose-Headers", exposedHeaders)
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Headers", allowedHeaders)
		header.Set("Access-Control-Max-Age", preflightAge)
	}
}

// options answers preflights and the curious alike, and never asks for a key:
// browsers send none with a preflight.
func (h *Handler) options(w http.ResponseWriter, methods, accept, mediaType string) {
	header := w.Header()
	header.Set("Allow", methods)
	header.Set(accept, mediaType)
	if header.Get("Access-Control-Allow-Origin") != "" {
		header.Set("Access-Control-Allow-Methods", methods)
	}
	w.WriteHeader(http.StatusNoContent)
}
