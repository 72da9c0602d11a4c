package embedded

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// said makes a Ready that is true once the child has written the line.
func said(o *ChildOptions, want string) {
	heard := make(chan struct{})
	var once sync.Once
	o.Line = func(line string) {
		if line == want {
			once.Do(func() { close(heard) })
		}
	}
	o.Ready = func(ctx context.Context) error {
		select {
		case <-heard:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestChildStopsWhenAsked(t *testing.T) {
	o := role("waiting")
	said(&o, "waiting")
	c, err := StartChild(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var stops sync.WaitGroup
	for range 8 {
		stops.Go(func() {
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
			select {
			case <-c.Done():
			default:
				t.Error("Stop returned before the end")
			}
		})
	}
	stops.Wait()
	if err := errors.Join(c.Stop(), c.Kill(), c.Err()); err != nil {
		t.Fatalf("after its end: %v", err)
	}
	if state := c.cmd.ProcessState; state.ExitCode() != 0 {
		t.Fatalf("it was not let end by itself: %v", state)
	}
}

func TestChildThatIgnoresSignalsIsKilled(t *testing.T) {
	o := role("stubborn")
	said(&o, "ignoring")
	o.Stop = []StopStep{{syscall.SIGTERM, time.Millisecond}, {syscall.SIGINT, time.Millisecond}}
	c, err := StartChild(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if status := c.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		t.Fatalf("ended by %v", status.Signal())
	}
	if c.Err() != nil {
		t.Fatalf("a stop that was asked for is no fault: %v", c.Err())
	}
}

func TestChildTellsWhyItEnded(t *testing.T) {
	c, err := StartChild(t.Context(), role("chatty"))
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "I cannot go on") {
		t.Fatalf("it says %v", err)
	}
	if err := c.Stop(); err != nil {
		t.Fatalf("stopping what has ended: %v", err)
	}
}

func TestChildThatIsNeverReady(t *testing.T) {
	notYet := errors.New("not yet")
	never := func(context.Context) error { return notYet }
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		role   string
		within time.Duration
		want   error
		says   string
	}{
		"ends first":      {t.Context(), "chatty", time.Minute, nil, "I cannot go on"},
		"too slow":        {t.Context(), "waiting", 20 * time.Millisecond, context.DeadlineExceeded, "not yet"},
		"nobody waits":    {cancelled, "waiting", time.Minute, context.Canceled, ""},
		"reason is kept":  {t.Context(), "waiting", 20 * time.Millisecond, notYet, ""},
		"program missing": {t.Context(), "missing", time.Minute, fs.ErrNotExist, "start missing"},
	} {
		t.Run(name, func(t *testing.T) {
			o := role(c.role)
			o.Ready, o.ReadyWithin = never, c.within
			if c.role == "missing" {
				o.Path = "/nowhere/at/all"
			}
			child, err := StartChild(c.ctx, o)
			if child != nil || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, %v", child, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("%v is not %v", err, c.want)
			}
		})
	}
}

// TestChildDoesNotSeeTheProgramsEnvironment keeps secrets where they are.
func TestChildDoesNotSeeTheProgramsEnvironment(t *testing.T) {
	t.Setenv("RIALTO_SECRET", "do not tell")
	var all []string
	err := runChild(t.Context(), ChildOptions{Name: "env", Path: "/usr/bin/env", Line: func(line string) { all = append(all, line) }})
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(all, "\n"); strings.Contains(text, "do not tell") || !strings.Contains(text, "PATH=") {
		t.Fatalf("it saw\n%s", text)
	}
}
