package whip

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rialto-live/rialto/media"
)

// problem is an answer that is no success: problem details of RFC 9457 with a
// stable code. It is an error so that a step can return it.
type problem struct {
	Type   string   `json:"type"`
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Code   string   `json:"code"`
	Codecs []string `json:"codecs,omitempty"` // what would be accepted
	Line   int      `json:"line,omitempty"`   // of the SDP

	retry     time.Duration // Retry-After
	challenge string        // WWW-Authenticate
	allow     string        // Allow
	accept    string        // name of the header that lists media types
	cause     error         // logged, not shown
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

func (p *problem) Unwrap() error { return p.cause }

func newProblem(status int, code, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

func (p *problem) write(w http.ResponseWriter) {
	h := w.Header()
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds()))))
	}
	if p.challenge != "" {
		h.Set("WWW-Authenticate", p.challenge)
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	switch p.accept {
	case "Accept-Post":
		h.Set(p.accept, typeSDP)
	case "Accept-Patch":
		h.Set(p.accept, typeFragment)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	body, err := json.Marshal(p)
	if err != nil { // a problem is strings and numbers
		panic(err)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client has gone: nobody is left to tell
}

const challenge = `Bearer realm="rialto"`

func keyMissing() *problem {
	p := newProblem(http.StatusUnauthorized, "key_missing", "Send the stream key or publish ticket as `Authorization: Bearer …`.")
	p.challenge = challenge
	return p
}

func keyInvalid() *problem {
	p := newProblem(http.StatusUnauthorized, "key_invalid", "This stream key or ticket is not valid (any more). Copy the current one from the studio.")
	p.challenge = challenge + `, error="invalid_token"`
	return p
}

func forbidden() *problem {
	return newProblem(http.StatusForbidden, "forbidden", "You are not allowed to do this here.")
}

func showUnknown() *problem {
	return newProblem(http.StatusNotFound, "show_unknown", "There is no such show. Check the address.")
}

func resourceUnknown() *problem {
	return newProblem(http.StatusNotFound, "session_unknown", "This session does not exist or has ended. Start a new one with POST.")
}

func methodNotAllowed(allow string) *problem {
	p := newProblem(http.StatusMethodNotAllowed, "method_not_allowed", "This address answers to "+allow+".")
	p.allow = allow
	return p
}

func tooLarge(limit int) *problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("The body may have at most %d bytes.", limit))
}

func mediaType(want, header string) *problem {
	p := newProblem(http.StatusUnsupportedMediaType, "media_type", "Send the body as Content-Type: "+want+".")
	p.accept = header
	return p
}

func later(status int, code, detail string, retry time.Duration) *problem {
	p := newProblem(status, code, detail)
	p.retry = retry
	return p
}

func draining() *problem {
	return later(http.StatusServiceUnavailable, "draining", "This server is about to stop. Ask again.", time.Second)
}

func full() *problem {
	return later(http.StatusServiceUnavailable, "too_many", "There is no room for another session right now. Ask again.", fullRetry)
}

func internal(cause error) *problem {
	p := newProblem(http.StatusInternalServerError, "internal", "Something went wrong on our side. Try again.")
	p.cause = cause
	return p
}

// asProblem puts the errors of media and of Authorize into words. What it
// does not know is ours to repair: a 500 that is logged.
func asProblem(err error) *problem {
	if p := (*problem)(nil); errors.As(err, &p) {
		return p
	}
	if e := (*media.SDPError)(nil); errors.As(err, &e) {
		return sdpInvalid(e)
	}
	if e := (*media.BusyError)(nil); errors.As(err, &e) {
		return later(http.StatusServiceUnavailable, "busy", "Many people are joining. You are in line: ask again in a moment.", e.RetryAfter)
	}
	if e := (*media.CodecError)(nil); errors.As(err, &e) {
		p := newProblem(http.StatusNotAcceptable, "no_common_codec", "No codec in common. Accepted here: "+strings.Join(e.Accepted, ", ")+".")
		p.Codecs = e.Accepted
		return p
	}
	switch {
	case errors.Is(err, ErrUnauthorized), errors.Is(err, media.ErrExpired):
		return keyInvalid()
	case errors.Is(err, ErrForbidden), errors.Is(err, media.ErrForbidden), errors.Is(err, media.ErrRevoked):
		return forbidden()
	case errors.Is(err, ErrUnknownStream):
		return showUnknown()
	case errors.Is(err, ErrEnded), errors.Is(err, media.ErrEnded):
		return newProblem(http.StatusGone, "show_ended", "This show is over.")
	case errors.Is(err, ErrUnavailable):
		return later(http.StatusServiceUnavailable, "unavailable", "This cannot be decided right now. Ask again.", notLiveRetry)
	case errors.Is(err, media.ErrPublisherPresent):
		return newProblem(http.StatusConflict, "publisher_present", "Somebody else is live on this show. They have to stop first.")
	case errors.Is(err, media.ErrNotLive):
		return later(http.StatusConflict, "not_live", "The show is not on air yet. Ask again in a moment.", notLiveRetry)
	case errors.Is(err, media.ErrTooMany):
		return full()
	case errors.Is(err, media.ErrClosed):
		return draining()
	default:
		return internal(err)
	}
}

func sdpInvalid(e *media.SDPError) *problem {
	detail := "The SDP cannot be used: " + e.Reason + "."
	if e.Line > 0 {
		detail = fmt.Sprintf("Line %d of the SDP cannot be used (%q): %s.", e.Line, e.Text, e.Reason)
	}
	p := newProblem(http.StatusBadRequest, "sdp_invalid", detail)
	p.Line = e.Line
	return p
}
