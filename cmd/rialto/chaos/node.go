package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/embedded"
)

const (
	nodeCount = 2

	readyLine   = "rialto: ready on "
	sandboxLine = "rialto: sandbox ready on "
	diesLine    = "rialto: dies at "
	restAfter   = 100 * time.Millisecond // between the end of a node and its next start
	notYetAfter = 20 * time.Millisecond
)

var errNotYet = errors.New("not yet")

// process is a program that somebody starts again whenever it ends: a node, or the sandbox.
type process struct {
	// static
	name    string
	program string
	args    []string
	env     []string
	ready   string // begins the line that says so
	output  *os.File

	mu sync.Mutex
	// guarded by mu
	child   *embedded.Child
	arm     string // where it dies, from its next start on
	with    string // where the one that runs dies
	reached int    // places to die at
	held    bool   // not to be started
	alive   bool   // it runs, or is being started
	address string // after the ready line
	changed chan struct{}
}

func newProcess(dir, name, program string, args, env []string, ready string) (*process, error) {
	output, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &process{name: name, program: program, args: args, env: env, ready: ready, output: output, changed: make(chan struct{})}, nil
}

// run keeps it alive until ctx ends.
func (p *process) run(ctx context.Context) error {
	defer p.output.Close()
	for ctx.Err() == nil {
		p.mu.Lock()
		held, arm, changed := p.held, p.arm, p.changed
		p.alive = !held
		p.mu.Unlock()
		if held {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		p.live(ctx, arm)
		p.mu.Lock()
		p.child, p.alive = nil, false
		p.tell()
		p.mu.Unlock()
		pause(ctx, restAfter)
	}
	return nil
}

// live is one life of it. What it says is in its log.
func (p *process) live(ctx context.Context, arm string) {
	ready := make(chan string, 1)
	env := append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "TMPDIR=" + os.TempDir()}, p.env...)
	if arm != "" {
		env = append(env, "CRASH_AT="+arm)
	}
	child, err := embedded.StartChild(ctx, embedded.ChildOptions{
		Name: p.name, Path: p.program, Args: p.args, Env: env, Log: slog.New(slog.DiscardHandler),
		Line: func(line string) {
			_, _ = io.Copy(p.output, bytes.NewReader([]byte(time.Now().Format("15:04:05.000 ")+line+"\n"))) // a full disk spoils more than this
			if at, found := strings.CutPrefix(line, p.ready); found {
				ready <- at
			}
			if strings.HasPrefix(line, diesLine) {
				p.mu.Lock()
				p.arm, p.reached = "", p.reached+1
				p.mu.Unlock()
			}
		},
		Ready: func(ctx context.Context) error {
			select {
			case at := <-ready:
				p.mu.Lock()
				p.address = at
				p.mu.Unlock()
				return nil
			case <-time.After(notYetAfter): // so that one that has ended is noticed
				return errNotYet
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		return // a store is away, or it died on its way; its log says which
	}
	p.mu.Lock()
	if p.held || p.arm != arm { // it is wanted otherwise by now
		p.mu.Unlock()
		_ = child.Kill()
		return
	}
	p.child, p.with = child, arm
	p.tell()
	p.mu.Unlock()
	select {
	case <-child.Done():
	case <-ctx.Done():
	}
	_ = child.Kill() // it is gone, or is to be
}

// tell needs mu.
func (p *process) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// kill ends it at once; it is started again, to die at a place unless that is "". One that is being started is ended when
// it is up.
func (p *process) kill(place string) error {
	p.mu.Lock()
	child := p.child
	p.arm = place
	p.mu.Unlock()
	if child == nil {
		return nil
	}
	return child.Kill()
}

// hold ends it and keeps it down until release. It returns when it is gone.
func (p *process) hold(ctx context.Context) error {
	p.mu.Lock()
	p.held = true
	p.tell()
	p.mu.Unlock()
	if err := p.kill(""); err != nil {
		return err
	}
	return p.wait(ctx, "gone", func() bool { return !p.alive })
}

func (p *process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	p.tell()
}

// disarm takes back a death that has not come; a process that would die of it is ended at once. It says how many came.
func (p *process) disarm() (reached int, err error) {
	p.mu.Lock()
	reached, p.reached = p.reached, 0
	doomed := p.child != nil && p.with != ""
	p.arm = ""
	p.mu.Unlock()
	if doomed {
		return reached, p.kill("")
	}
	return reached, nil
}

// await waits until it is up, and says where.
func (p *process) await(ctx context.Context) (address string, err error) {
	err = p.wait(ctx, "up", func() bool {
		address = p.address
		return p.child != nil
	})
	return address, err
}

// wait waits for something that is known with mu.
func (p *process) wait(ctx context.Context, what string, so func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		p.mu.Lock()
		done, changed := so(), p.changed
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s is not %s: %w", p.name, what, context.Cause(ctx))
		}
	}
}

// freeAddress is one on which nobody listens just now, of none that the kernel hands out by itself.
func freeAddress() (string, error) {
	const first, most = 10_000, 20_000
	for range 100 {
		at := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.N(most)))
		if l, err := net.Listen("tcp", at); err == nil {
			return at, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
