package main

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// remoteAddr is the address of the person behind a request. Behind a proxy of
// ours it is the last entry of X-Forwarded-For, the one our proxy wrote; all
// before it is what the client claims.
func remoteAddr(trustedProxy bool) func(*http.Request) netip.Addr {
	return func(r *http.Request) netip.Addr {
		if trustedProxy {
			if list := r.Header.Values("X-Forwarded-For"); len(list) > 0 {
				last := list[len(list)-1]
				last = last[strings.LastIndexByte(last, ',')+1:]
				if addr, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil {
					return addr.Unmap()
				}
			}
		}
		at, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return netip.Addr{}
		}
		return at.Addr().Unmap()
	}
}

// allowOrigin says whether a page of this origin is one of ours: this node's
// own, or that of another registered node. Browsers write an origin in one
// way, and whatever else only looks like ours is not.
func (a *App) allowOrigin(origin string) bool {
	for _, ours := range a.nodes.Origins() {
		if own, err := url.Parse(ours); err == nil && own.Scheme+"://"+own.Host == origin {
			return true
		}
	}
	return false
}
