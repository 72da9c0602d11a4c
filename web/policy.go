package web

import (
	"net/http"
	"net/url"
	"strings"
)

// maxNodeOrigins bounds the policy header: some proxies refuse headers of more
// than 8 kB.
const maxNodeOrigins = 64

// policy says what a page may do. The studio alone may use camera, microphone
// and screen; nobody may frame us, run inline scripts or talk to strangers.
type policy struct {
	nodes  func() []string // may be nil
	stripe bool            // viewers type their cards in Stripe's own fields
}

const (
	permissionsWatch  = "camera=(), microphone=(), display-capture=(), geolocation=(), payment=(), usb=(), autoplay=(self), fullscreen=(self)"
	permissionsStudio = "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=(), autoplay=(self), fullscreen=(self), screen-wake-lock=(self)"
)

// contentDocs is for the page that draws the API's document with a library that
// others wrote: it writes styles and markup in ways that our own pages may not.
// It talks to its own node alone, and its scripts come from nowhere else.
const contentDocs = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// contentMailbox is for the page that shows mails as they look: a frame without
// scripts inherits it, and mails carry their styles with them, since mail
// programs take them no other way.
const contentMailbox = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; " +
	"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

func (p policy) page(h http.Header, document string) {
	p.file(h)
	switch document {
	case docsPage:
		h.Set("Content-Security-Policy", contentDocs)
	case mailboxPage:
		h.Set("Content-Security-Policy", contentMailbox)
	default:
		h.Set("Content-Security-Policy", p.content(p.stripe && document == viewerPage))
	}
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	if document == studioPage {
		h.Set("Permissions-Policy", permissionsStudio)
	} else {
		h.Set("Permissions-Policy", permissionsWatch)
	}
}

// file is what every answer carries. An SVG opened by itself is a document, so
// files get a policy too.
func (p policy) file(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	// Order links carry a signature in their address: no other site may read it.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// Where Stripe's script comes from, and what it has to reach: its fields and the
// bank's question are frames of its own, and cards go from there to its API.
const (
	stripeScript = "https://js.stripe.com"
	stripeFrames = "https://js.stripe.com https://hooks.stripe.com"
	stripeAPI    = "https://api.stripe.com"
)

// content is the policy of a page. Stripe stands in it only where cards are typed.
func (p policy) content(stripe bool) string {
	connect, scripts, frames := []string{"'self'"}, "'self'", "'none'"
	if stripe {
		connect, scripts, frames = append(connect, stripeAPI), "'self' "+stripeScript, stripeFrames
	}
	if p.nodes != nil {
		connect = append(connect, sources(p.nodes())...)
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + scripts,
		"frame-src " + frames,
		"style-src 'self'",
		"img-src 'self' blob:",
		"media-src 'self' blob:",
		"connect-src " + strings.Join(connect, " "),
		"form-action 'self'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	}, "; ")
}

// sources turns origins into sources for requests and sockets. What is not an
// origin is left out: a header must not be written by what nodes say of themselves.
func sources(origins []string) []string {
	var out []string
	for _, origin := range origins[:min(len(origins), maxNodeOrigins)] {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || strings.ContainsAny(u.Host, " ;,'\"*\r\n") {
			continue
		}
		switch u.Scheme {
		case "http":
			out = append(out, "http://"+u.Host, "ws://"+u.Host)
		case "https":
			out = append(out, "https://"+u.Host, "wss://"+u.Host)
		}
	}
	return out
}
