package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/term"

	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema"
)

// errUsage marks an error that the command line or the settings caused.
var errUsage = errors.New("see rialto help")

type command struct {
	name, about string
	run         func(ctx context.Context, args []string, at terminal) error
}

// commands is everything the program can be asked to do.
var commands = []command{
	{"dev", "everything on this machine: embedded stores, sandbox money, a demo show", runDev},
	{"serve", "one node of an installation, configured by the environment", runServe},
	{"migrate", "bring the database to this version", runMigrate},
	{"admin", "create-operator, costs, set-delivery, set-tax: what only an operator may do", runAdmin},
	{"verify", "check every promise in the stores, or (--chain) a stock ledger; exit 1 on a breach; --rebuild after a restore", runVerify},
	{"sandbox", "the sandbox payment provider", runSandbox},
	{"bench", "media, joins, churn, realtime, storm, stock, chaos: what a show costs on this machine, and what it bears", runBench},
	{"load", "watch, chat, buy: a crowd of viewers on any WHEP server, in the room of a show, or at its counter", runLoad},
	{"openapi", "print the OpenAPI document of the HTTP API and the rooms", runOpenAPI},
	{"version", "which version this is", runVersion},
}

// parseFlags reads a command's flags and refuses words it does not know.
func parseFlags(flags *flag.FlagSet, args []string, at terminal) error {
	flags.SetOutput(at.err)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%s: %w", flags.Name(), errUsage) // the flag package has said why
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes no %q: %w", flags.Name(), flags.Arg(0), errUsage)
	}
	return nil
}

func newFlags(name string) *flag.FlagSet {
	return flag.NewFlagSet("rialto "+name, flag.ContinueOnError)
}

// settings reads the environment for a command that can do without most of it.
func settings(at terminal) (Config, error) {
	cfg, err := readConfig(at.environ)
	if err != nil {
		return cfg, settingsError(err)
	}
	return cfg, nil
}

// wordsError lists what is wrong with the words of a command line, one per line.
func wordsError(command string, err error) error {
	lines := strings.Split(err.Error(), "\n")
	return fmt.Errorf("%s:\n  - %s\n%w", command, strings.Join(lines, "\n  - "), errUsage)
}

// settingsError lists what is wrong with the settings, one per line.
func settingsError(err error) error {
	lines := strings.Split(err.Error(), "\n")
	return fmt.Errorf("these settings need attention:\n  - %s\n%w", strings.Join(lines, "\n  - "), errUsage)
}

func runServe(ctx context.Context, args []string, at terminal) error {
	if err := parseFlags(newFlags("serve"), args, at); err != nil {
		return err
	}
	cfg, err := readConfig(at.environ)
	if err = errors.Join(err, cfg.ValidateServe()); err != nil {
		return settingsError(err)
	}
	cfg.drain = drainWindow
	app, err := newApp(ctx, cfg, newLog(at.err, cfg.LogLevel, true))
	if err != nil {
		return err
	}
	fmt.Fprintf(at.out, "rialto: ready on %s\n", app.URL())
	return app.Run(ctx)
}

func runMigrate(ctx context.Context, args []string, at terminal) error {
	return withStores(ctx, "migrate", args, at, func(s *stores) error {
		applied, err := schema.Migrate(ctx, s.pool)
		if err != nil {
			return err
		}
		fmt.Fprintf(at.out, "rialto: %d migrations applied; the database is up to date\n", applied)
		return nil
	})
}

// runAdmin chooses among what an operator does at a terminal.
func runAdmin(ctx context.Context, args []string, at terminal) error {
	known := map[string]func(context.Context, []string, terminal) error{
		"create-operator": runCreateOperator, "costs": runCosts, "set-delivery": runSetDelivery, "set-tax": runSetTax,
	}
	if len(args) > 0 && known[args[0]] != nil {
		return known[args[0]](ctx, args[1:], at)
	}
	return fmt.Errorf(`admin knows
  create-operator --email ADDRESS [--name NAME]    the first account that may run the service
  costs                                            list what delivery costs and what is taxed
  %s
  %s
%w`, setDeliveryUsage, setTaxUsage, errUsage)
}

func runCreateOperator(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("admin create-operator")
	email := flags.String("email", "", "the operator's e-mail `address`")
	name := flags.String("name", "Operator", "the operator's `name`")
	return withStoresFlags(ctx, flags, args, at, func(s *stores) error {
		if *email == "" {
			return fmt.Errorf("--email is missing: %w", errUsage)
		}
		password, err := readPassword(at)
		if err != nil {
			return err
		}
		who, err := account.New(s.pool, account.NewHasher(), nil).CreateOperator(ctx, *email, *name, password)
		if err != nil {
			return err
		}
		fmt.Fprintf(at.out, "rialto: operator %s is %s\n", who.Email, who.ID)
		return nil
	})
}

// readPassword asks without echo at a terminal, and reads one line elsewhere,
// so that a script can pipe it. It is never an argument: those are visible to
// every process of the machine.
func readPassword(at terminal) (string, error) {
	if f, ok := at.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(at.err, "Password: ")
		typed, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(at.err)
		return string(typed), err
	}
	line, err := bufio.NewReader(io.LimitReader(at.in, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func runVersion(_ context.Context, args []string, at terminal) error {
	if err := parseFlags(newFlags("version"), args, at); err != nil {
		return err
	}
	fmt.Fprintln(at.out, "rialto", version())
	return nil
}

// version is what the Go tool stamped into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (text == "" || text == "(devel)") {
			text = "devel " + s.Value
		}
	}
	return text + " " + info.GoVersion
}
