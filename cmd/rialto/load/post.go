package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxAnswerBytes = 256 << 10 // a larger answer is no SDP
	maxCandidates  = 32
	maxRedirects   = 5
	postTimeout    = 30 * time.Second // a server under load may take long; that is a finding
	deleteTimeout  = 3 * time.Second

	// maxRetryAfter is how long a viewer waits at most that is told to come back, maxReturns how often it does, and
	// retryJitter what it adds at random: all as the pages do, except that those never give up.
	maxRetryAfter = time.Minute
	maxReturns    = 20
	retryJitter   = time.Second
)

// Refused is an answer of the server that opens no session.
type Refused struct {
	Status     int
	RetryAfter time.Duration // when to come back; 0: the server does not say
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the server answered %d %s", r.Status, http.StatusText(r.Status))
}

// door is how a crowd reaches a server over HTTP.
type door struct {
	http     *http.Client
	token    string
	anywhere bool
	next     atomic.Uint32 // source address
}

// newDoor makes a connection for each request, as many viewers would. Servers limit how often one address may ask, so
// that on loopback each comes from an address of its own out of 127.1.0.0/16.
func newDoor(token string, anywhere bool) *door {
	d := &door{token: token, anywhere: anywhere}
	d.http = &http.Client{
		Timeout:       postTimeout,
		Transport:     &http.Transport{DialContext: d.dial, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return d
}

func (d *door) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	if !d.anywhere {
		n := d.next.Add(1) % (250 * 250)
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 1, byte(n/250), byte(n%250+1))}
	}
	return dialer.DialContext(ctx, network, address)
}

// errAway is a server that may not be loaded without saying so.
var errAway = errors.New("is not on this machine: a load on somebody else's server has to be meant (--anywhere)")

// near refuses what does not lie on this machine.
func (d *door) near(at *url.URL) error { return Near(at, d.anywhere, "http", "https") }

// Near refuses an address that has none of the schemes, or that does not lie on this machine unless that is meant.
func Near(at *url.URL, anywhere bool, schemes ...string) error {
	if !slices.Contains(schemes, at.Scheme) || at.Host == "" {
		return fmt.Errorf("%q is no %s address", at, strings.Join(schemes, " or "))
	}
	if anywhere || at.Hostname() == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(at.Hostname()); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s %w", at.Host, errAway)
}

// post brings an offer to a WHEP endpoint and returns the answer and the session's own address.
func (d *door) post(ctx context.Context, target *url.URL, offer string) (string, *url.URL, error) {
	for range maxRedirects {
		if err := d.near(target); err != nil {
			return "", nil, err
		}
		response, err := d.send(ctx, http.MethodPost, target, offer)
		if err != nil {
			return "", nil, err
		}
		body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
		_ = response.Body.Close() // it is read
		if err != nil {
			return "", nil, err
		}
		location, err := target.Parse(response.Header.Get("Location"))
		if err != nil {
			return "", nil, fmt.Errorf("location of the session: %w", err)
		}
		switch response.StatusCode {
		case http.StatusCreated:
			return string(body), location, nil
		case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			target = location
		default:
			seconds, _ := strconv.Atoi(response.Header.Get("Retry-After")) // a date, or nothing, is 0
			return "", nil, &Refused{response.StatusCode, min(time.Duration(max(seconds, 0))*time.Second, maxRetryAfter)}
		}
	}
	return "", nil, fmt.Errorf("more than %d redirects", maxRedirects)
}

func (d *door) send(ctx context.Context, method string, at *url.URL, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/sdp")
	}
	if d.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.token)
	}
	return d.http.Do(request)
}

// leave deletes a session. One that is gone already is what was wanted.
func (d *door) leave(at *url.URL) {
	ctx, cancel := context.WithTimeout(context.Background(), deleteTimeout)
	defer cancel()
	if response, err := d.send(ctx, http.MethodDelete, at, ""); err == nil {
		_ = response.Body.Close()
	}
}
