package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/rialto-live/rialto/cmd/rialto/load"
)

// runLoad chooses among the loads. None needs a store or a setting.
func runLoad(ctx context.Context, args []string, at terminal) error {
	if len(args) > 0 && args[0] == "watch" {
		return runLoadWatch(ctx, args[1:], at)
	}
	if len(args) > 0 && args[0] == "chat" {
		return runLoadChat(ctx, args[1:], at)
	}
	if len(args) > 0 && args[0] == "buy" {
		return runLoadBuy(ctx, args[1:], at)
	}
	return fmt.Errorf(`load knows
  watch --url URL [--viewers N] [--seconds N] [--at-once N] [--rate N] [--retry] [--tcp] [--token TOKEN] [--anywhere]
        open N viewers of a show on any WHEP server, until Ctrl-C
  chat --url URL --room SHOW [--viewers N] [--lines N] [--hearts N] [--seconds N] [--token TICKET] [--anywhere]
        let N viewers into the room of a show, of which some speak
  buy --url URL --show SHOW [--variant VARIANT] [--buyers N] [--rate N] [--think TIME] [--pay PERCENT] [--seconds N] [--anywhere]
        have N buyers tap for what a show sells, and pay with play money or walk away
%w`, errUsage)
}

// parseCrowd adds what every crowd can be told, and answers how long it lasts; 0 is until Ctrl-C.
func parseCrowd(flags *flag.FlagSet, args []string, at terminal, anywhere *bool, validate func() error) (lasts time.Duration, err error) {
	flags.BoolVar(anywhere, "anywhere", false, "the server may be on another machine, whose owner knows of this")
	seconds := flags.Int("seconds", 0, "`how long`; 0 is until Ctrl-C")
	if err := parseFlags(flags, args, at); err != nil {
		return 0, err
	}
	err = validate()
	if *seconds < 0 {
		err = errors.Join(err, errors.New("--seconds must not be negative"))
	}
	if err != nil {
		return 0, wordsError(strings.TrimPrefix(flags.Name(), "rialto "), err)
	}
	return time.Duration(*seconds) * time.Second, nil
}

func runLoadWatch(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("load watch")
	var c load.Config
	flags.StringVar(&c.URL, "url", "", "WHEP `address` of a show, such as http://127.0.0.1:8080/whep/shw_1")
	flags.IntVar(&c.Viewers, "viewers", 10, "how `many` watch")
	flags.IntVar(&c.AtOnce, "at-once", 0, "how `many` join at the same time; 0 is 16, or as many as --rate needs")
	flags.IntVar(&c.Rate, "rate", 0, "how `many` begin to join per second; 0 is as many as --at-once allows")
	flags.BoolVar(&c.Retry, "retry", false, "who is told 503 and when to come back does so, as the pages do")
	flags.BoolVar(&c.TCP, "tcp", false, "over TCP alone, as behind a network that lets no UDP through")
	flags.StringVar(&c.Token, "token", "", "Bearer `token`, where a show asks for one")
	lasts, err := parseCrowd(flags, args, at, &c.Anywhere, func() error { return c.Validate() })
	if err != nil {
		return err
	}
	return load.Watch(ctx, c, lasts, at.out)
}

func runLoadChat(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("load chat")
	var c load.ChatConfig
	flags.StringVar(&c.URL, "url", "", "`address` of the rooms, such as ws://127.0.0.1:8080/ws")
	flags.StringVar(&c.Room, "room", "", "`id` of the show")
	flags.StringVar(&c.Token, "token", "", "a room `ticket` for all, who are then one person; without it, who speaks is a guest of their own")
	flags.IntVar(&c.Viewers, "viewers", load.DefaultChatViewers, "how `many` watch")
	flags.IntVar(&c.Lines, "lines", load.DefaultLines, "how `many` lines they say in a second, together")
	flags.IntVar(&c.Hearts, "hearts", 0, "how `many` hearts they send in a second, together")
	lasts, err := parseCrowd(flags, args, at, &c.Anywhere, func() error { return c.Validate() })
	if err != nil {
		return err
	}
	return load.Chat(ctx, c, lasts, at.out)
}

func runLoadBuy(ctx context.Context, args []string, at terminal) error {
	flags := newFlags("load buy")
	var c load.BuyConfig
	flags.StringVar(&c.URL, "url", "", "`address` of the shop, such as http://127.0.0.1:8080")
	flags.StringVar(&c.Show, "show", "", "`id` of the show")
	flags.StringVar(&c.Variant, "variant", "", "`id` of what they tap for; without it, what is pinned or comes first")
	flags.IntVar(&c.Buyers, "buyers", load.DefaultBuyers, "how `many` are there at once: who is done makes room for somebody new")
	flags.IntVar(&c.Rate, "rate", 0, "how `many` begin to come per second; 0 is 200")
	flags.DurationVar(&c.Think, "think", load.DefaultThink, "how `long` they think before each thing they do, on average")
	flags.IntVar(&c.Pay, "pay", load.DefaultPay, "how `many` of a hundred that hold something pay, where money is play money")
	lasts, err := parseCrowd(flags, args, at, &c.Anywhere, func() error { return c.Validate() })
	if err != nil {
		return err
	}
	return load.Buy(ctx, c, lasts, at.out)
}
