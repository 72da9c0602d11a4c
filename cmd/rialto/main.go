package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Exit codes: 0 done, 1 it failed, 2 the command line or the settings are wrong.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	redis.SetLogger(silent{})
	code := run(ctx, os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr, os.Environ()})
	stop()
	os.Exit(code)
}

// silent takes what the Redis client would print: every failed call returns
// its error, and who made the call says what it means.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// terminal is where a command reads from and writes to; tests bring their own.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
}

func run(ctx context.Context, args []string, at terminal) int {
	if len(args) == 0 {
		fmt.Fprint(at.err, usage())
		return exitUsage
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		switch err := c.run(ctx, args[1:], at); {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.Is(err, errUsage):
			fmt.Fprintln(at.err, "rialto:", err)
			return exitUsage
		default:
			fmt.Fprintln(at.err, "rialto:", err)
			return exitFailed
		}
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprint(at.out, usage())
		return 0
	}
	fmt.Fprintf(at.err, "rialto: there is no command %q\n%s", args[0], usage())
	return exitUsage
}

func usage() string {
	text := "usage: rialto COMMAND [flags]\n\n"
	for _, c := range commands {
		text += fmt.Sprintf("  %-9s %s\n", c.name, c.about)
	}
	return text
}
