package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	maxBody     = 64 << 10
	passWithin  = 20 * time.Second // of a call that is passed on
	slowest     = 700 * time.Millisecond
	silentFor   = 3 * time.Second // a call that is answered never ends then
	latest      = 2 * time.Second // of a webhook that comes late
	hookPath    = "/to/"          // and the address of the node, and its own path
	hooksBehind = 512             // webhooks that are on their way late, at most
)

// bankFaults says how many calls of a hundred go wrong on the way to the payment company, and how.
type bankFaults struct {
	breaks      int // nothing is done; 500
	breaksAfter int // it is done; 500
	cutAfter    int // it is done; the connection breaks
	silent      int // it is done; no answer comes
	garbled     int // it is done; the answer cannot be read
	slow        int // it is done; the answer comes late, after its webhook
	// atOnce makes of each card a method that takes the money at once.
	atOnce bool
}

func (a bankFaults) add(b bankFaults) bankFaults {
	return bankFaults{
		breaks: a.breaks + b.breaks, breaksAfter: a.breaksAfter + b.breaksAfter, cutAfter: a.cutAfter + b.cutAfter,
		silent: a.silent + b.silent, garbled: a.garbled + b.garbled, slow: a.slow + b.slow, atOnce: a.atOnce || b.atOnce,
	}
}

// hookFaults says how many webhooks of a hundred go wrong on the way to us.
type hookFaults struct {
	lost    int // the company believes that it was heard
	twice   int
	late    int // it comes behind later ones
	unheard int // it comes, and the company does not hear that it did
}

// wire stands between us and the payment company, both ways: it is where calls and webhooks are lost. The real sandbox
// is behind it.
type wire struct {
	// static
	url    string
	secret string
	server *http.Server
	on     net.Listener
	web    *http.Client
	behind sync.WaitGroup // webhooks that come late

	mu sync.Mutex
	// guarded by mu
	bank   bankFaults
	hooks  hookFaults
	draws  [2]*rand.Rand // of calls and of webhooks
	target func() string // where the sandbox is
	late   int
	hit    int // calls and webhooks to which something happened
}

func newWire(secret string, target func() string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.MaxIdleConnsPerHost = nil, 64
	w := &wire{url: "http://" + l.Addr().String(), secret: secret, on: l, target: target, web: &http.Client{
		Transport: transport, Timeout: passWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+hookPath, w.hook)
	mux.HandleFunc("/", w.call)
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: passWithin}
	w.weather(bankFaults{}, hookFaults{}, Cell{})
	return w, nil
}

// run serves until ctx ends.
func (w *wire) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = w.server.Close() })
	defer stop()
	err := w.server.Serve(w.on)
	w.behind.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// weather sets what goes wrong from now on; what is drawn begins anew. It says to how many something happened before.
func (w *wire) weather(b bankFaults, h hookFaults, c Cell) (hit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hit, w.hit = w.hit, 0
	w.bank, w.hooks = b, h
	w.draws = [2]*rand.Rand{c.draws(streamBank), c.draws(streamHooks)}
	return hit
}

// chance draws what happens to the next one: the index of the share that is hit, -1 for none.
func (w *wire) chance(stream int, shares ...int) int {
	n := w.draws[stream].IntN(100)
	for i, share := range shares {
		if n < share {
			w.hit++
			return i
		}
		n -= share
	}
	return -1
}

// The ways in which a call goes wrong, in the order of bankFaults.
const (
	breaks = iota
	breaksAfter
	cutAfter
	silent
	garbled
	slow
)

// call passes a call of a node on.
func (w *wire) call(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(io.LimitReader(in.Body, maxBody))
	if err != nil {
		http.Error(out, "the request cannot be read", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	b := w.bank
	what := w.chance(0, b.breaks, b.breaksAfter, b.cutAfter, b.silent, b.garbled, b.slow)
	wait := time.Duration(w.draws[0].Int64N(int64(slowest)))
	base := w.target()
	w.mu.Unlock()
	if what == breaks {
		http.Error(out, `{"code":"internal","message":"it breaks"}`, http.StatusInternalServerError)
		return
	}
	if in.Method == http.MethodPut && in.URL.Path == "/webhooks" {
		body = w.throughUs(body)
	}
	// What has come is done, also when its caller gives up.
	status, header, answer, err := w.pass(context.WithoutCancel(in.Context()), in.Method, base+in.URL.RequestURI(), in.Header, body)
	if err != nil {
		panic(http.ErrAbortHandler) // the company is away
	}
	if b.atOnce && in.Method == http.MethodPost && in.URL.Path == "/charges" && status == http.StatusOK {
		answer = w.takeAtOnce(in, base, answer)
	}
	switch what {
	case breaksAfter:
		http.Error(out, `{"code":"internal","message":"it broke"}`, http.StatusInternalServerError)
		return
	case cutAfter:
		panic(http.ErrAbortHandler)
	case silent:
		pause(in.Context(), silentFor)
		panic(http.ErrAbortHandler)
	case garbled:
		answer = answer[:len(answer)/2]
	case slow:
		pause(in.Context(), wait)
	}
	for _, name := range []string{"Content-Type", "Location", "Content-Security-Policy"} {
		if value := header.Get(name); value != "" {
			out.Header().Set(name, value)
		}
	}
	out.WriteHeader(status)
	_, _ = out.Write(answer) // the caller may be gone
}

// throughUs has webhooks come our way.
func (w *wire) throughUs(body []byte) []byte {
	var end struct {
		URL string `json:"url"`
	}
	at, found := "", false
	if json.Unmarshal(body, &end) == nil {
		at, found = strings.CutPrefix(end.URL, "http://")
	}
	if !found {
		return body
	}
	end.URL = w.url + hookPath + at
	text, err := json.Marshal(end)
	if err != nil {
		return body
	}
	return text
}

// takeAtOnce is a method of payment that knows no reservation: what was authorised is taken before anybody hears of it.
func (w *wire) takeAtOnce(in *http.Request, base string, answer []byte) []byte {
	var c struct {
		ID, Status string
		Amount     int64
	}
	if json.Unmarshal(answer, &c) != nil || c.Status != "authorised" {
		return answer
	}
	body := fmt.Appendf(nil, `{"amount":%d,"key":"at-once:%s"}`, c.Amount, c.ID)
	status, _, taken, err := w.pass(context.WithoutCancel(in.Context()), http.MethodPost, base+"/charges/"+c.ID+"/capture", in.Header, body)
	if err != nil || status != http.StatusOK {
		return answer // it stays a reservation
	}
	return taken
}

// pass makes a request and reads its answer.
func (w *wire) pass(ctx context.Context, method, url string, header http.Header, body []byte) (int, http.Header, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header = header.Clone()
	r.Header.Del("Accept-Encoding")
	answer, err := w.web.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return answer.StatusCode, answer.Header, text, err
}

// The ways in which a webhook goes wrong, in the order of hookFaults.
const (
	lost = iota
	twice
	late
	unheard
)

// hook passes a webhook of the company on to the node that it was meant for.
func (w *wire) hook(out http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(io.LimitReader(in.Body, maxBody))
	if err != nil {
		http.Error(out, "the webhook cannot be read", http.StatusBadRequest)
		return
	}
	to := "http://" + strings.TrimPrefix(in.URL.Path, hookPath)
	w.mu.Lock()
	what := w.chance(1, w.hooks.lost, w.hooks.twice, w.hooks.late, w.hooks.unheard)
	wait := time.Duration(w.draws[1].Int64N(int64(latest)))
	if what == late {
		if w.late++; w.late > hooksBehind {
			what = -1
			w.late--
		}
	}
	w.mu.Unlock()
	ctx, header := context.WithoutCancel(in.Context()), in.Header.Clone()
	switch what {
	case lost:
		return
	case late:
		w.behind.Go(func() {
			pause(ctx, wait)
			_, _, _, _ = w.pass(ctx, http.MethodPost, to, header, body) // one that is late may be lost
			w.mu.Lock()
			w.late--
			w.mu.Unlock()
		})
		return
	case twice:
		_, _, _, _ = w.pass(ctx, http.MethodPost, to, header, body)
	}
	status, _, answer, err := w.pass(ctx, http.MethodPost, to, header, body)
	if err != nil || what == unheard {
		status, answer = http.StatusBadGateway, nil
	}
	out.WriteHeader(status)
	_, _ = out.Write(answer)
}
