package main

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/rialto-live/rialto/commerce/payment/sandbox"
)

const (
	sandboxPath   = "/sandbox" // under which buyers reach the sandbox's pages
	hookPath      = "/hooks/payments/"
	subscribeSoon = time.Second     // the first pause after a try that failed; it doubles
	subscribeEach = 5 * time.Minute // so that a node that serves stays among the last that were heard of
)

// subscribe tells the sandbox where this node hears of charges, again and again: a sandbox that was away, or that has lost its
// tables, learns of it. It is quiet: a payment whose webhook never comes is asked for all the same.
func (a *App) subscribe(ctx context.Context) error {
	if a.bank == nil {
		return nil
	}
	address, wait := a.hookURL(), subscribeSoon
	for ctx.Err() == nil {
		err := a.bank.Register(ctx, address)
		if err != nil {
			a.log.Debug("the sandbox does not know this node yet", "error", err)
			pause(ctx, wait)
			wait = min(2*wait, subscribeEach)
			continue
		}
		wait = subscribeSoon
		pause(ctx, subscribeEach)
	}
	return nil
}

// hookURL is where the sandbox reaches this node: over loopback when it runs there too, so that no proxy or certificate is in
// the way, else where everybody does.
func (a *App) hookURL() string {
	path := hookPath + sandbox.Name
	bank, err := url.Parse(a.cfg.SandboxURL)
	if err != nil || a.cfg.TLSCert != "" || !onLoopback(bank.Hostname()) {
		return a.URL() + path
	}
	own, ok := a.front.Addr().(*net.TCPAddr)
	if !ok {
		return a.URL() + path
	}
	host := own.IP.String()
	if own.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(own.Port)) + path
}

func onLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
