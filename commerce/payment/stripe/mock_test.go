package stripe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
)

// judge is stripe-mock: it knows Stripe's OpenAPI description and refuses requests that it does not allow. It has no
// memory. One child serves the test binary.
type judge struct {
	child *embedded.Child
	web   *http.Client
	dir   string
}

var theJudge = sync.OnceValues(startJudge)

func TestMain(m *testing.M) {
	code := embeddedtest.Main(m)
	if j, err := theJudge(); err == nil {
		_ = j.child.Stop() // it dies with this process in any case
		_ = os.RemoveAll(j.dir)
	}
	os.Exit(code)
}

// startJudge builds stripe-mock, from the versions that .ci/tools.mod has, and starts it on a socket of its own.
func startJudge() (*judge, error) {
	build := exec.Command("go", "tool", "-modfile=.ci/tools.mod", "-n", "stripe-mock")
	build.Dir = filepath.Join("..", "..", "..")
	build.Stderr = os.Stderr
	path, err := build.Output()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "judge") // a socket's path is short
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "http")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	child, err := embedded.StartChild(context.Background(), embedded.ChildOptions{
		Name: "stripe-mock", Path: strings.TrimSpace(string(path)), Args: []string{"-http-unix", socket}, Log: slog.New(slog.DiscardHandler),
		Ready: func(ctx context.Context) error {
			conn, err := dial(ctx, "", "")
			if err != nil {
				return err
			}
			return conn.Close()
		},
	})
	if err != nil {
		return nil, err
	}
	return &judge{child: child, dir: dir, web: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 32}}}, nil
}

// allows sends a request to stripe-mock and answers with what a Stripe without memory would.
func (j *judge) allows(r *http.Request, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, "http://stripe"+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for _, name := range []string{"Authorization", "Content-Type", "Stripe-Version", "Idempotency-Key"} {
		if value := r.Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := j.web.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}
