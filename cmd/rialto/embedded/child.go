package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// defaultReadyWithin is generous: a database that recovers after a power
	// cut may replay its log on a slow disk.
	defaultReadyWithin = 60 * time.Second
	readyEvery         = 10 * time.Millisecond
	readyTryWithin     = 2 * time.Second
	// pipeGrace is how long a dead child's descendants may hold its output open.
	pipeGrace = 2 * time.Second
	// killGrace is how long the kernel may take to end a killed process before
	// Stop reports it instead of waiting for ever.
	killGrace = 10 * time.Second
)

// StopStep is one rung of the ladder that ends a child: a signal, and how long
// to wait for it to work before the next rung. SIGKILL follows the last one.
type StopStep struct {
	Signal syscall.Signal
	Wait   time.Duration
}

// ChildOptions says what to run and how to live with it.
type ChildOptions struct {
	Name string   // for logs and errors
	Path string   // the program
	Args []string // without the program's name
	Env  []string // the whole environment; nil gives a small fixed one
	Dir  string   // working folder; empty is the program's own
	Log  *slog.Logger

	// Line takes each line of output, cut at 4 KiB, in order and on one
	// goroutine. Nil writes it to Log.
	Line func(line string)

	// Ready is asked every few milliseconds until it returns nil; nil means
	// ready as soon as started. Each try has a context of at most 2 s.
	Ready       func(context.Context) error
	ReadyWithin time.Duration // 0: one minute

	// Stop is tried in order; nil is SIGTERM with ten seconds.
	Stop []StopStep

	// DeathSignal is what the kernel sends the child when the program dies.
	// 0 is SIGKILL, which no child can ignore.
	DeathSignal syscall.Signal

	// Files are inherited as descriptors 3, 4, …; the caller keeps its own.
	Files []*os.File

	as identity
}

// Child is a running process that dies with the program.
type Child struct {
	// static after StartChild
	name    string
	log     *slog.Logger
	cmd     *exec.Cmd
	steps   []StopStep
	output  *lines
	done    chan struct{}
	stopped atomic.Bool // somebody asked: its end is no fault
	stop    sync.Once

	err error // owned by own until done is closed
}

// StartChild starts the process and returns when it is ready. The context
// bounds the starting alone; a child that is not ready in time, or dies first,
// is gone when the error (with its last lines of output) is returned.
func StartChild(ctx context.Context, o ChildOptions) (*Child, error) {
	c, err := newChild(ctx, o)
	if err != nil {
		return nil, err
	}
	if o.Ready == nil {
		return c, nil
	}
	within := o.ReadyWithin
	if within == 0 {
		within = defaultReadyWithin
	}
	if err := c.awaitReady(ctx, o.Ready, within); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w%s", o.Name, err, c.output.tail()), c.Stop())
	}
	return c, nil
}

// runChild runs a program that ends by itself.
func runChild(ctx context.Context, o ChildOptions) error {
	c, err := newChild(ctx, o)
	if err != nil {
		return err
	}
	select {
	case <-c.done:
		if c.err != nil {
			return c.err
		}
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s: %w", o.Name, ctx.Err()), c.Stop())
	}
}

func newChild(ctx context.Context, o ChildOptions) (*Child, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	c := &Child{name: o.Name, log: o.Log, steps: o.Stop, done: make(chan struct{})}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.steps == nil {
		c.steps = []StopStep{{Signal: syscall.SIGTERM, Wait: 10 * time.Second}}
	}
	line := o.Line
	if line == nil {
		line = func(text string) { c.log.Info(text, "child", o.Name) }
	}
	c.output = newLines(line)
	c.cmd = command(o, c.output)
	started := make(chan error, 1)
	go c.own(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	return c, nil
}

func command(o ChildOptions, output *lines) *exec.Cmd {
	cmd := exec.Command(o.Path, o.Args...)
	cmd.Dir = o.Dir
	cmd.Env = o.Env
	if cmd.Env == nil {
		cmd.Env = plainEnv()
	}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = o.Files
	cmd.WaitDelay = pipeGrace
	death := o.DeathSignal
	if death == 0 {
		death = syscall.SIGKILL
	}
	// A group of its own keeps the terminal's Ctrl-C for the program, which
	// then stops its children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: death}
	o.as.apply(cmd.SysProcAttr)
	return cmd
}

// plainEnv is what a child needs to run; the program's settings and secrets
// are not its business.
func plainEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// own starts the process and waits for it on one locked thread: the death
// signal is sent when the *thread* that forked ends, and an idle thread of the
// runtime may end at any time.
func (c *Child) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	err := c.cmd.Wait()
	c.output.flush()
	if !c.stopped.Load() && err != nil {
		c.err = fmt.Errorf("%s ended: %w%s", c.name, err, c.output.tail())
	}
	close(c.done)
}

func (c *Child) awaitReady(ctx context.Context, ready func(context.Context) error, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		try, done := context.WithTimeout(ctx, readyTryWithin)
		err := ready(try)
		done()
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return errors.New("it ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// PID is the process's number, for logs and tests.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the process is gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says why the process ended, once Done is closed: nil when it was asked
// to, or ended well.
func (c *Child) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Stop ends the process by its ladder of signals and returns when it is gone.
// It may be called many times.
func (c *Child) Stop() error { return c.end(c.steps) }

// Kill ends the process at once, as a power cut would.
func (c *Child) Kill() error { return c.end(nil) }

func (c *Child) end(steps []StopStep) error {
	var err error
	c.stop.Do(func() {
		c.stopped.Store(true)
		err = c.climb(steps)
	})
	return err
}

func (c *Child) climb(steps []StopStep) error {
	for _, step := range steps {
		if err := c.cmd.Process.Signal(step.Signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop %s: %w", c.name, err)
		}
		if c.gone(step.Wait) {
			return nil
		}
		c.log.Warn("a child does not stop when asked", "child", c.name, "signal", step.Signal, "waited", step.Wait)
	}
	// The whole group: a killed parent cannot pass the news on.
	if err := syscall.Kill(-c.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", c.name, err)
	}
	if !c.gone(killGrace) {
		return fmt.Errorf("kill %s: process %d is still there after %s", c.name, c.PID(), killGrace)
	}
	return nil
}

func (c *Child) gone(within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}
