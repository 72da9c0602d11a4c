package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed all:static
var static embed.FS

// Config is what the pages need to know about the rest of the house.
type Config struct {
	// NodeOrigins lists the origins ("https://n2.shop.example") of nodes that a
	// page may be sent to for its video; asked for each page. Nil means none.
	NodeOrigins func() []string
	// Mailbox: the mails of this program can be read here, at /mailbox.
	Mailbox bool
	// Stripe lets viewers' pages load Stripe's card fields, and nobody's otherwise.
	Stripe bool
}

// Built reports whether this program was compiled with its pages.
func Built() bool {
	_, err := fs.Stat(static, "static/app/index.html")
	return err == nil
}

// Handler serves the pages and their files. It answers GET and HEAD on every
// path it is asked for; a path that is no page gets a page that says so.
func Handler(cfg Config) http.Handler {
	if !Built() {
		return newSite(mustSub(static, "static"), cfg)
	}
	return newSite(mustSub(static, "static/app"), cfg)
}

func mustSub(of fs.FS, dir string) fs.FS {
	sub, err := fs.Sub(of, dir)
	if err != nil {
		panic(err) // dir is a constant of this file
	}
	return sub
}

// page says which document answers a path, and whether the path is known.
func (s *site) page(path string) (document string, known bool) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	one := rest != "" && !strings.Contains(rest, "/")
	switch first {
	case "", "signin", "signup", "account", "forgot", "reset":
		return viewerPage, rest == "" && path == "/"+first
	case "s":
		show, inner, _ := strings.Cut(rest, "/")
		return viewerPage, one || show != "" && inner == "ledger"
	case "orders":
		return viewerPage, one
	case "studio":
		return studioPage, path == "/studio" || one
	case "docs":
		return docsPage, path == "/docs"
	case "brand":
		return brandPage, path == "/brand" || one
	case "mailbox":
		if s.mailbox {
			return mailboxPage, path == "/mailbox" || one
		}
	}
	return viewerPage, false
}
