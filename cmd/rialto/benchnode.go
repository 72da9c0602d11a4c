package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/rialto-live/rialto/cmd/rialto/bench/rush"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
)

// runBenchNode is `rialto serve` for `rialto bench stock`, which taps over a few hundred WebSockets as fast as many
// thousand people would: each tap over a socket is taken for another person's, and no socket for one that says too much.
// All else is as for everybody. It takes a free port and says which.
func runBenchNode(ctx context.Context, args []string, at terminal) error {
	if err := parseFlags(newFlags("bench node"), args, at); err != nil {
		return err
	}
	cfg, err := readConfig(at.environ)
	if err = errors.Join(append(cfg.validateValues(), err)...); err != nil {
		return settingsError(err)
	}
	cfg.crowd = true
	app, err := newApp(ctx, cfg, newLog(at.err, cfg.LogLevel, true))
	if err != nil {
		return err
	}
	fmt.Fprintf(at.out, "%s%s %s\n", rush.NodeReady, app.front.Addr(), app.admin.Addr())
	return app.Run(ctx)
}

// taps is what judges taps that come over sockets.
type taps = func(context.Context, api.Tapper, api.HoldPut) (any, *api.Problem)

// strangers takes each tap for that of another guest, from an address of their own: both are made of its hold's id.
func strangers(put taps) taps {
	return func(ctx context.Context, by api.Tapper, tap api.HoldPut) (any, *api.Problem) {
		by.Subject = commerce.GuestID(tap.Hold).String()
		by.Addr = netip.AddrFrom4([4]byte(tap.Hold[len(tap.Hold)-4:]))
		return put(ctx, by, tap)
	}
}
