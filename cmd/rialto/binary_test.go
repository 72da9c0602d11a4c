package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// built is the real program, built once for the tests that kill it.
type built struct {
	tags string
	once sync.Once

	// written in once
	dir string
	err error
}

var (
	binary built
	// doomed has places to die at; see commerce/crash.
	doomed = built{tags: "crashpoints"}
)

func program(t *testing.T) string {
	t.Helper()
	return binary.program(t)
}

func (b *built) program(t *testing.T) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "rialto-binary-"); b.err != nil {
			return
		}
		// As `make build` does, so that all but the linking is done already.
		build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", b.tags, "-o", b.dir, ".")
		if out, err := build.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatalf("build the program: %v", b.err)
	}
	return filepath.Join(b.dir, "rialto")
}

// dropBinaries is called when all tests are over.
func dropBinaries() {
	for _, b := range []*built{&binary, &doomed} {
		b.once.Do(func() {})
		if b.dir != "" {
			_ = os.RemoveAll(b.dir) // it lies in the temporary folder
		}
	}
}

// process is the program, running.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  journal
	err  journal
	url  string
	line chan string   // the ready line's address
	done chan struct{} // closed when it has ended
	code int           // after done; -1: a signal ended it
}

// launch starts a command line. It dies with this test binary, and with the test.
func launch(t *testing.T, env []string, argv ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(argv[0], argv[1:]...), line: make(chan string, 1), done: make(chan struct{})}
	p.cmd.Dir = filepath.Join("..", "..")
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "RIALTO_NO_APT=1"}, env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.err
	started := make(chan error, 1)
	go p.own(stdout, started)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%v said:\n%s\n%s", argv, p.out.String(), p.err.String())
		}
	})
	return p
}

// own stays on one thread: the kernel's death signal watches the thread that forked.
func (p *process) own(stdout io.Reader, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(&p.out, lines.Text())
		if at, ok := strings.CutPrefix(lines.Text(), "rialto: ready on "); ok {
			p.line <- at
		}
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); errors.As(err, &exit) {
		p.code = exit.ExitCode()
	} else if err != nil {
		fmt.Fprintln(&p.err, err)
		p.code = -1
	}
}

// ready waits for the ready line.
func (p *process) ready() *process {
	p.t.Helper()
	select {
	case p.url = <-p.line:
	case <-p.done:
		p.t.Fatalf("it ended with %d before it was ready", p.code)
	case <-time.After(patience):
		p.t.Fatal("it is not ready")
	}
	return p
}

// kill ends it as a power cut would, and returns when it is gone. Twice is once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be gone
	<-p.done
}

// ends waits for the exit code.
func (p *process) ends(want int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("it does not end")
	}
	if p.code != want {
		p.t.Errorf("exit code %d, want %d", p.code, want)
	}
}

// finish runs a command line to its end.
func finish(t *testing.T, want int, env []string, argv ...string) *process {
	t.Helper()
	p := launch(t, env, argv...)
	p.ends(want)
	return p
}

// relatives lists the processes that have something to do with a data folder: by their command line, their
// working folder or their environment.
func relatives(t *testing.T, data string) (found []string) {
	t.Helper()
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range folders {
		if filepath.Base(proc) == strconv.Itoa(os.Getpid()) {
			continue
		}
		cwd, _ := os.Readlink(filepath.Join(proc, "cwd")) // a process may end at any time
		environ, _ := os.ReadFile(filepath.Join(proc, "environ"))
		cmdline, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		stat, err := os.ReadFile(filepath.Join(proc, "stat"))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			continue // dead, and not buried by whoever adopted it
		}
		if slices.ContainsFunc([]string{cwd, string(environ), string(cmdline)}, func(s string) bool { return strings.Contains(s, data) }) {
			found = append(found, filepath.Base(proc)+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}

// alone waits until nobody has anything to do with a data folder any more.
func alone(t *testing.T, data string) {
	t.Helper()
	var left []string
	deadline := time.Now().Add(patience)
	for left = relatives(t, data); len(left) > 0 && time.Now().Before(deadline); left = relatives(t, data) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*lookAgain)
		<-ctx.Done()
		cancel()
	}
	if len(left) > 0 {
		t.Errorf("orphans: %s", strings.Join(left, "\n"))
	}
}

// freePort is a port that was free a moment ago, for UDP and TCP. It is none of those that the kernel hands out, so that
// nobody gets it by chance before it is used.
func freePort(t *testing.T) int {
	t.Helper()
	const first, most = 10_000, 20_000
	for range 100 {
		port := first + rand.N(most)
		at := ":" + strconv.Itoa(port)
		stream, err := net.Listen("tcp", at)
		if err != nil {
			continue
		}
		packets, err := net.ListenPacket("udp", at)
		if err = errors.Join(err, stream.Close()); err != nil {
			continue
		}
		if err := packets.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}

func freeAddr(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
}
