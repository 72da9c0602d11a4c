package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rialto-live/rialto/cmd/rialto/bench"
	"github.com/rialto-live/rialto/cmd/rialto/bench/rush"
)

// runBench chooses among the benches. None needs a store or a setting.
func runBench(ctx context.Context, args []string, at terminal) error {
	kinds := map[string]func(context.Context, []string, terminal) error{
		"media": runBenchMedia, "joins": runBenchJoins, "churn": runBenchChurn,
		"realtime": runBenchRealtime, "storm": runBenchStorm, "stock": runBenchStock,
		"chaos": runBenchChaos,
	}
	if len(args) > 0 && kinds[args[0]] != nil {
		return kinds[args[0]](ctx, args[1:], at)
	}
	if len(args) > 0 && args[0] == bench.ChildCommand { // the benches' own servers; not for people
		return bench.Child(ctx, args[1:], at.out)
	}
	if len(args) > 0 && args[0] == rush.NodeCommand { // likewise
		return runBenchNode(ctx, args[1:], at)
	}
	return fmt.Errorf(`bench knows
  media [--viewers N] [--seconds N] [--rounds N] [--json]
        what relaying a show costs on this machine: a server on one core, its viewers on another
  joins [--viewers N] [--joins N] [--seconds N] [--json]
        what a crowd that joins a running show gets, and what those notice who watch it already
  churn [--joins N] [--at-once N] [--settle N] [--json]
        what a server has kept when that many have joined and left; exit code 1 if it is over 5 %%
  realtime [--conns N] [--idle N] [--seconds N] [--rounds N] [--only PARTS] [--json]
        what telling a room costs, beside bare writes; what merged, idle and stalled connections cost; how late prices are
        while all speak; exit code 1 if anybody was not told everything
  realtime --url URL [--hello TEXT] [--conns N] [--seconds N] [--json] [--anywhere]
        what the clients of any WebSocket server see
  storm [--seed N] [--sockets N] [--memory N] [--seconds N] [--json]
        four nodes, a bus that loses messages, a node that dies, a Redis that restarts: exit code 1 if anybody is told
        anything wrong; the same seed brings the same storm
  stock [--buyers N] [--losers N] [--seconds N] [--rounds N] [--only PARTS] [--json]
        how fast units are promised in a rush, at the gate, over HTTP and over WebSockets, and whole purchases made, beside SET,
        SELECT ... FOR UPDATE and a transaction per step; exit code 1 if a promise is not in Postgres
  chaos [--seed N] [--minutes N] [--attempts N] [--cells N] [--only CELL] [--buyers N] [--data DIR] [--json]
        (make chaos) every failure of a purchase with every fault of what it stands on, under a crowd: exit code 1 if anything is
        sold twice, lost, or charged for nothing; the same seed brings the same faults
%w`, errUsage)
}

func runBenchMedia(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench media")
	o := bench.Options{Progress: at.err}
	flags.IntVar(&o.Viewers, "viewers", bench.DefaultViewers, "how `many` watch")
	flags.IntVar(&o.Seconds, "seconds", bench.DefaultSeconds, "`how long` each server is watched once it has settled")
	flags.IntVar(&o.Rounds, "rounds", bench.DefaultRounds, "how `often` plain Pion and Rialto are measured in turn")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench media", err)
	}
	return bench.Media(ctx, o, at.out)
}

func runBenchJoins(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench joins")
	o := bench.JoinsOptions{Progress: at.err}
	flags.IntVar(&o.Viewers, "viewers", bench.DefaultEarly, "how `many` watch already")
	flags.IntVar(&o.Joins, "joins", bench.DefaultJoins, "how `many` join")
	flags.IntVar(&o.Seconds, "seconds", bench.DefaultJoinsSeconds, "`how long` they take to come, evenly")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench joins", err)
	}
	return bench.Joins(ctx, o, at.out)
}

func runBenchChurn(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench churn")
	o := bench.ChurnOptions{Progress: at.err}
	flags.IntVar(&o.Joins, "joins", bench.DefaultChurn, "how `many` join and leave")
	flags.IntVar(&o.AtOnce, "at-once", bench.DefaultAtOnce, "how `many` of them at the same time")
	flags.IntVar(&o.Settle, "settle", bench.DefaultSettle, "how many `seconds` the server is given before each count")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench churn", err)
	}
	return bench.Churn(ctx, o, at.out)
}

func runBenchRealtime(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("bench realtime")
	o := bench.RealtimeOptions{Progress: at.err}
	flags.IntVar(&o.Conns, "conns", bench.DefaultConns, "how `many` connections are in the room")
	flags.IntVar(&o.Idle, "idle", bench.DefaultIdle, "how `many` connections say and hear nothing")
	flags.IntVar(&o.Seconds, "seconds", bench.DefaultRealtimeSeconds, "`how long` each server is heard in a round")
	flags.IntVar(&o.Rounds, "rounds", bench.DefaultRealtimeRounds, "how `often` bare writes and the hub are measured in turn")
	flags.StringVar(&o.Only, "only", "", "`parts` to measure, with commas: "+strings.Join(bench.RealtimeParts, ", ")+"; without it, all")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object")
	flags.StringVar(&o.URL, "url", "", "`address` of a WebSocket server to measure instead, such as ws://127.0.0.1:8080/ws")
	flags.StringVar(&o.Hello, "hello", "", "`text` that each connection to it says first")
	flags.BoolVar(&o.Anywhere, "anywhere", false, "it may be on another machine, whose owner knows of this")
	if err := parseFlags(flags, args, at); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return wordsError("bench realtime", err)
	}
	return bench.Realtime(ctx, o, at.out)
}
