package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Pause stops the process and those that it has started as a machine that hangs would: they keep their connections and
// answer nothing. For tests of recovery.
func (c *Child) Pause() error {
	// The first process first: what it has started by then is all there is.
	if err := send(c.PID(), syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pause %s: %w", c.name, err)
	}
	return c.signalChildren(syscall.SIGSTOP)
}

// Resume lets a paused process go on. Twice is once, and one that has ended stays so.
func (c *Child) Resume() error {
	return errors.Join(c.signalChildren(syscall.SIGCONT), send(c.PID(), syscall.SIGCONT))
}

func (c *Child) signalChildren(what syscall.Signal) error {
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		stat, err := os.ReadFile(filepath.Join(folder, "stat"))
		if err != nil {
			continue // it has ended
		}
		_, fields, _ := strings.Cut(string(stat), ") ") // of state and parent
		parts := strings.Fields(fields)
		if len(parts) < 2 || parts[1] != strconv.Itoa(c.PID()) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		if err != nil {
			continue // no process
		}
		if err := send(pid, what); err != nil {
			return fmt.Errorf("%s, process %d: %w", c.name, pid, err)
		}
	}
	return nil
}

// send sends it to whoever lives.
func send(pid int, what syscall.Signal) error {
	if err := syscall.Kill(pid, what); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// Pause stops the server and all of its processes as a machine that hangs would.
func (p *Postgres) Pause() error { return p.child.Pause() }

// Resume lets a paused server go on.
func (p *Postgres) Resume() error { return p.child.Resume() }

// Pause stops the server as a machine that hangs would. A demo store, which is no process, goes on.
func (r *Redis) Pause() error {
	if r.child == nil {
		return nil
	}
	return r.child.Pause()
}

// Resume lets a paused server go on.
func (r *Redis) Resume() error {
	if r.child == nil {
		return nil
	}
	return r.child.Resume()
}
