package interop

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/client"
	"github.com/rialto-live/rialto/media/whip/whiptest"
)

// patience is generous: the machine may be building something else.
const patience = 60 * time.Second

// program is a client of somebody else's, running.
type program struct {
	t      *testing.T
	input  io.WriteCloser
	lines  chan string
	ended  chan error
	errors strings.Builder
}

func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	p := &program{t: t, lines: make(chan string, 1024), ended: make(chan error, 1)}
	cmd.Stderr = &p.errors
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s is needed, see doc.go: %v", name, err)
	}
	p.input = input
	done := make(chan struct{})
	go func() {
		defer close(done)
		for scan := bufio.NewScanner(output); scan.Scan(); {
			p.lines <- scan.Text()
		}
		p.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return p
}

// says waits for a line.
func (p *program) says(want string) {
	p.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line := <-p.lines:
			if line == want {
				return
			}
		case err := <-p.ended:
			p.t.Fatalf("ended with %v before it said %q:\n%s", err, want, p.errors.String())
		case <-limit:
			p.t.Fatalf("did not say %q in %s", want, patience)
		}
	}
}

// restart asks for an ICE restart and waits until the client has taken our answer.
func (p *program) restart() {
	p.t.Helper()
	if _, err := io.WriteString(p.input, "restart\n"); err != nil {
		p.t.Fatal(err)
	}
	p.says("restarted")
}

// stop closes the input and waits for a good end.
func (p *program) stop() {
	p.t.Helper()
	if err := p.input.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.says("stopped")
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Fatalf("ended with %v:\n%s", err, p.errors.String())
		}
	case <-time.After(patience):
		p.t.Fatal("does not end")
	}
}

func publishes(t *testing.T, n *whiptest.Node, p *program, stream string) *client.Viewer {
	t.Helper()
	v := n.Watch(t, client.ViewerConfig{URL: n.WHEP(stream), Patience: patience})
	whiptest.Await(t, v, patience, func(s client.ViewerStats) bool { return s.Video.Frames >= 30 && s.Audio.Frames >= 30 })
	p.says("connected")
	return v
}

// unpublished waits for the effect of a DELETE.
func unpublished(t *testing.T, n *whiptest.Node, stream media.StreamID) {
	t.Helper()
	if g, there := n.Handler.Publisher(stream); there {
		t.Errorf("after DELETE %s is still published by %q", stream, g.Subject)
	}
}

// lean waits until so many viewers are on the transport that is made for them. Who has left is taken off it soon after.
func lean(t *testing.T, n *whiptest.Node, want int) {
	t.Helper()
	for deadline := time.Now().Add(patience); n.LeanViewers(t) != want; {
		if time.Now().After(deadline) {
			t.Fatalf("%d lean viewers, not %d", n.LeanViewers(t), want)
		}
		runtime.Gosched()
	}
}

// waitOnAir is needed for clients that do not ask again after 409 not_live.
func waitOnAir(t *testing.T, n *whiptest.Node, stream media.StreamID) {
	t.Helper()
	for deadline := time.Now().Add(patience); !n.Relay.OnAir(stream); {
		if time.Now().After(deadline) {
			t.Fatalf("%s is not on air", stream)
		}
		runtime.Gosched()
	}
}

func TestWhipWhepPublishes(t *testing.T) {
	n := whiptest.Start(t)
	p := start(t, "node", "publish.js", n.WHIP("shw_js"), "sk_acc_mara")
	v := publishes(t, n, p, "shw_js")

	p.restart()
	seen := v.Stats().Video.Frames
	whiptest.Await(t, v, patience, func(s client.ViewerStats) bool { return s.Video.Frames >= seen+60 })
	p.stop()
	unpublished(t, n, "shw_js")
}

func TestWhipWhepWatches(t *testing.T) {
	n := whiptest.Start(t)
	source, err := client.NewClipSource()
	if err != nil {
		t.Fatal(err)
	}
	publisher := n.Publish(t, "shw_js", "acc_mara", source)
	waitOnAir(t, n, "shw_js")
	p := start(t, "node", "watch.js", n.WHEP("shw_js"))
	p.says("sound")
	p.says("frames 40")
	lean(t, n, 1)
	p.restart() // counts frames anew
	p.says("frames 80")
	lean(t, n, 1)
	p.stop()
	lean(t, n, 0)
	if err := publisher.Err(); err != nil {
		t.Error(err)
	}
}

const python = "/usr/bin/python3" // Debian's, which sees Debian's packages

func TestAiortcPublishes(t *testing.T) {
	n := whiptest.Start(t)
	p := start(t, python, "aiortc_client.py", "publish", n.WHIP("shw_py"), "sk_acc_mara")
	publishes(t, n, p, "shw_py")
	p.stop()
	unpublished(t, n, "shw_py")
}

func TestAiortcWatches(t *testing.T) {
	n := whiptest.Start(t)
	source, err := client.NewClipSource()
	if err != nil {
		t.Fatal(err)
	}
	n.Publish(t, "shw_py", "acc_mara", source)
	waitOnAir(t, n, "shw_py")
	p := start(t, python, "aiortc_client.py", "watch", n.WHEP("shw_py"))
	p.says("sound")
	p.says("frames 40")
	lean(t, n, 1)
	p.stop()
	lean(t, n, 0)
}
