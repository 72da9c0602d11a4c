package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

const (
	viewerPage  = "index.html"
	studioPage  = "studio.html"
	brandPage   = "brand.html"
	docsPage    = "docs.html"
	mailboxPage = "mailbox.html"

	cacheHashed = "public, max-age=31536000, immutable"
	cachePage   = "no-cache" // kept, but asked for again each time: the ETag answers
	cacheFile   = "public, max-age=3600"
)

// file is one built file, ready to be sent.
type file struct {
	plain, packed []byte // packed is nil when compression does not pay
	tag           string
	kind          string
	cache         string
}

// site is static after newSite.
type site struct {
	files   map[string]file // by slash-separated name
	policy  policy
	mailbox bool // there is a mailbox to be read
}

func newSite(built fs.FS, cfg Config) *site {
	s := &site{files: map[string]file{}, policy: policy{nodes: cfg.NodeOrigins, stripe: cfg.Stripe}, mailbox: cfg.Mailbox}
	_ = fs.WalkDir(built, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, ".gz") {
			return err
		}
		return s.add(built, name)
	})
	return s
}

func (s *site) add(built fs.FS, name string) error {
	plain, err := fs.ReadFile(built, name)
	if err != nil {
		return err
	}
	packed, err := fs.ReadFile(built, name+".gz")
	if err != nil {
		packed = nil // not every file is worth compressing
	}
	sum := sha256.Sum256(plain)
	s.files[name] = file{plain: plain, packed: packed, tag: hex.EncodeToString(sum[:8]), kind: kindOf(name), cache: cacheOf(name)}
	return nil
}

// kindOf does not ask the machine's own table: it differs from host to host.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

func cacheOf(name string) string {
	switch {
	case strings.HasPrefix(name, "assets/"):
		return cacheHashed
	case strings.HasSuffix(name, ".html"):
		return cachePage
	}
	return cacheFile
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "Pages can only be read.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if f, ok := s.files[name]; ok && !strings.HasSuffix(name, ".html") {
		s.policy.file(w.Header())
		f.send(w, r)
		return
	}
	document, known := s.page(r.URL.Path)
	if trimmed := strings.TrimSuffix(r.URL.Path, "/"); !known && trimmed != r.URL.Path && trimmed != "" {
		// Only a page's own address is redirected to, so "//elsewhere/" leads nowhere.
		if _, known := s.page(trimmed); known && !strings.HasPrefix(trimmed, "//") {
			http.Redirect(w, r, trimmed, http.StatusPermanentRedirect)
			return
		}
	}
	if !known && path.Ext(name) != "" {
		// A lost picture or script of an older release: a page would not help it.
		s.policy.file(w.Header())
		http.Error(w, "There is no such file.", http.StatusNotFound)
		return
	}
	s.sendPage(w, r, document, known)
}

func (s *site) sendPage(w http.ResponseWriter, r *http.Request, document string, known bool) {
	f, ok := s.files[document]
	if !ok {
		f, ok = s.files[viewerPage] // the page that says "run make build"
		known = false
	}
	s.policy.page(w.Header(), document)
	switch {
	case !ok:
		http.Error(w, "This program holds no pages.", http.StatusNotFound)
	case !known:
		f.sendMissing(w, r)
	default:
		f.send(w, r)
	}
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	body, tag := f.choose(w, r)
	h := w.Header()
	h.Set("Cache-Control", f.cache)
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// sendMissing sends the page under status 404: its script reads the address
// and says in words that nothing is there.
func (f file) sendMissing(w http.ResponseWriter, r *http.Request) {
	body, _ := f.choose(w, r)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the reader left
	}
}

// choose picks the packed bytes when the reader takes them, and says so.
func (f file) choose(w http.ResponseWriter, r *http.Request) (body []byte, tag string) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	if f.packed == nil {
		return f.plain, f.tag
	}
	h.Add("Vary", "Accept-Encoding")
	// A range is a part of the plain bytes, so it is cut from them.
	if r.Header.Get("Range") != "" || !takesGzip(r.Header) {
		return f.plain, f.tag
	}
	h.Set("Content-Encoding", "gzip")
	return f.packed, f.tag + "-gz"
}

// takesGzip reads Accept-Encoding; "gzip;q=0" is a refusal.
func takesGzip(h http.Header) bool {
	for _, part := range strings.Split(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q := strings.ReplaceAll(strings.ToLower(params), " ", "")
		return q != "q=0" && !(strings.HasPrefix(q, "q=0.") && strings.Trim(q[4:], "0") == "")
	}
	return false
}
