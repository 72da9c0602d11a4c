package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswerBytes = 256 << 10 // a larger answer is no SDP
	maxRedirects   = 5
	maxRetryAfter  = 30 * time.Second // a server that asks for more is asked again sooner
	minRetryAfter  = 100 * time.Millisecond
)

// StatusError is an answer of the server that was not the one hoped for.
type StatusError struct {
	Status     int
	Code       string // of the problem details, when there are any
	Detail     string
	RetryAfter time.Duration // zero: the server named no time
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("client: the server answered %d", e.Status)
	if e.Code != "" {
		text += " " + e.Code
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// errRedirect is a redirect that must not be followed.
var errRedirect = errors.New("client: redirect refused")

// endpoint is the HTTP half of a session: where it is, and who asks.
type endpoint struct {
	http  *http.Client
	token string
	url   *url.URL // of the resource once the offer was accepted
	etag  string
}

type answer struct {
	status int
	header http.Header
	body   []byte
	url    *url.URL // where the answer came from, after redirects
}

// offer posts an SDP offer, again and again while the server says "later" and
// patience lasts, and returns the answer.
func (e *endpoint) offer(ctx context.Context, target, sdp string, patience time.Duration) (string, error) {
	at, err := url.Parse(target)
	if err != nil {
		return "", fmt.Errorf("client: url %q: %w", target, err)
	}
	deadline := time.Now().Add(patience)
	for {
		a, err := e.do(ctx, http.MethodPost, at, "application/sdp", sdp, "")
		if err != nil {
			return "", err
		}
		if a.status == http.StatusCreated {
			return e.accept(a)
		}
		refused := a.refusal()
		if refused.RetryAfter == 0 || time.Now().Add(refused.RetryAfter).After(deadline) {
			return "", refused
		}
		if err := sleep(ctx, refused.RetryAfter); err != nil {
			return "", err
		}
	}
}

func (e *endpoint) accept(a *answer) (string, error) {
	location := a.header.Get("Location")
	if location == "" || len(a.body) == 0 {
		return "", errors.New("client: 201 without Location or without an answer")
	}
	at, err := a.url.Parse(location)
	if err != nil {
		return "", fmt.Errorf("client: Location %q: %w", location, err)
	}
	e.url, e.etag = at, a.header.Get("ETag")
	return string(a.body), nil
}

// patch sends an SDP fragment to the resource.
func (e *endpoint) patch(ctx context.Context, match, fragment string) (*answer, error) {
	a, err := e.do(ctx, http.MethodPatch, e.url, "application/trickle-ice-sdpfrag", fragment, match)
	if err != nil {
		return nil, err
	}
	if a.status/100 != 2 {
		return nil, a.refusal()
	}
	if etag := a.header.Get("ETag"); etag != "" {
		e.etag = etag
	}
	return a, nil
}

// delete ends the resource. One that is gone already is what was wanted.
func (e *endpoint) delete(ctx context.Context) error {
	a, err := e.do(ctx, http.MethodDelete, e.url, "", "", "")
	if err != nil {
		return err
	}
	if a.status/100 != 2 && a.status != http.StatusNotFound {
		return a.refusal()
	}
	return nil
}

// do sends one request and follows 307 and 308 by sending it again, body and
// token included, to the node that the server named.
func (e *endpoint) do(ctx context.Context, method string, at *url.URL, mediaType, body, match string) (*answer, error) {
	for range maxRedirects + 1 {
		a, err := e.once(ctx, method, at, mediaType, body, match)
		if err != nil {
			return nil, err
		}
		if a.status != http.StatusTemporaryRedirect && a.status != http.StatusPermanentRedirect {
			return a, nil
		}
		next, err := at.Parse(a.header.Get("Location"))
		if err != nil || a.header.Get("Location") == "" {
			return nil, fmt.Errorf("%w: Location %q", errRedirect, a.header.Get("Location"))
		}
		if at.Scheme == "https" && next.Scheme != "https" {
			return nil, fmt.Errorf("%w: from https to %s the token would be readable", errRedirect, next.Scheme)
		}
		at = next
	}
	return nil, fmt.Errorf("%w: more than %d in a row", errRedirect, maxRedirects)
}

func (e *endpoint) once(ctx context.Context, method string, at *url.URL, mediaType, body, match string) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if mediaType != "" {
		request.Header.Set("Content-Type", mediaType)
	}
	if match != "" {
		request.Header.Set("If-Match", match)
	}
	if e.token != "" {
		request.Header.Set("Authorization", "Bearer "+e.token)
	}
	response, err := e.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, fmt.Errorf("client: reading the answer: %w", err)
	}
	if len(text) > maxAnswerBytes {
		return nil, fmt.Errorf("client: the answer is longer than %d bytes", maxAnswerBytes)
	}
	return &answer{status: response.StatusCode, header: response.Header, body: text, url: at}, nil
}

func (a *answer) refusal() *StatusError {
	refused := &StatusError{Status: a.status, RetryAfter: retryAfter(a.header.Get("Retry-After"), time.Now())}
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/problem+json") {
		var problem struct{ Code, Detail string }
		if json.Unmarshal(a.body, &problem) == nil {
			refused.Code, refused.Detail = problem.Code, problem.Detail
		}
	}
	return refused
}

// retryAfter reads seconds or an HTTP date; zero when there is no such header.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	} else {
		return 0
	}
	return min(max(wait, minRetryAfter), maxRetryAfter)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
