package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary also plays the children and the program that these tests
// watch, chosen by this variable.
const roleVariable = "RIALTO_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role, arg, _ := strings.Cut(os.Getenv(roleVariable), "="); role {
	case "":
		os.Exit(m.Run())
	case "stubborn":
		playStubborn()
	case "chatty":
		fmt.Println("first")
		fmt.Println("I cannot go on")
		os.Exit(3)
	case "waiting":
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Println("waiting")
		<-signals
	case "program":
		playProgram(PostgresOptions{Dir: filepath.Join(arg, "pg")}, filepath.Join(arg, "redis"))
	case "program without namespace":
		playProgram(PostgresOptions{Dir: filepath.Join(arg, "pg"), withoutNamespace: true}, filepath.Join(arg, "redis"))
	case "one more program":
		_, err := StartPostgres(context.Background(), PostgresOptions{Dir: arg})
		fmt.Println(errors.Is(err, ErrInUse), err)
	}
}

// playStubborn ignores every polite signal.
func playStubborn() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("ignoring")
	select {}
}

// playProgram is `rialto dev` in little: it starts every kind of child and says
// their numbers, then waits to be killed.
func playProgram(o PostgresOptions, redisDir string) {
	ctx := context.Background()
	pg, err := StartPostgres(ctx, o)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	rd, err := StartRedis(ctx, RedisOptions{Dir: redisDir, Required: true})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	child, err := StartChild(ctx, role("stubborn"))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready", pg.PID(), rd.PID(), child.PID())
	select {}
}

// role runs this test binary as a child.
func role(name string) ChildOptions {
	return ChildOptions{Name: name, Path: os.Args[0], Env: append(plainEnv(), roleVariable+"="+name), Line: func(string) {}}
}

// startProgram runs playProgram outside of this package's own machinery, so that
// nothing but its death ends its children.
func startProgram(t *testing.T, role, dir string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, out
}

// awaitReady reads the numbers of the program's children.
func awaitReady(t *testing.T, out io.Reader) (pids []int) {
	t.Helper()
	scan := bufio.NewScanner(out)
	scan.Scan()
	words := strings.Fields(scan.Text())
	if len(words) == 0 || words[0] != "ready" {
		t.Fatalf("the program is not ready: %s, %v", scan.Text(), scan.Err())
	}
	for _, word := range words[1:] {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// family is the processes and all that they have started.
func family(t *testing.T, pids ...int) []int {
	t.Helper()
	all := pids
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, family(t, child)...)
		}
	}
	return all
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
