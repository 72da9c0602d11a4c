package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce/money"
)

var (
	//go:embed challenge.html
	challengeText string
	//go:embed challenge.css
	challengeStyle string

	challengePage = template.Must(template.New("challenge").Parse(challengeText))
	styleHash     = sha256.Sum256([]byte(challengeStyle))
	stylePolicy   = "'sha256-" + base64.StdEncoding.EncodeToString(styleHash[:]) + "'"
)

// maxForm bounds the form of the page, in bytes.
const maxForm = 1 << 10

// page is what the page of 3-D Secure shows.
type page struct {
	Title, Words string
	Shop, Amount string
	Open         bool   // it asks
	Return       string // where its buyer goes from there
	Style        template.CSS
}

// words are told about a charge that asks no more.
var words = map[string][2]string{
	"authorised": {"This payment is confirmed", "You have confirmed it, and need do nothing more here."},
	"captured":   {"This payment is made", "You have confirmed it, and the shop has taken the money."},
	"declined":   {"This payment is refused", "You have refused it. Nothing was taken."},
	"voided":     {"This payment was ended", "The shop has ended it before it was confirmed. Nothing was taken."},
}

func (s *server) pageOf(c charge) page {
	p := page{Shop: s.Shop, Amount: money.Amount{Minor: c.Amount, Currency: money.Currency(c.Currency)}.String(), Return: c.returnURL}
	if c.Status == "requires_action" {
		p.Title, p.Words, p.Open = "Confirm this payment?", "Your card asks for you: is it you who is paying?", true
		return p
	}
	p.Title, p.Words = words[c.Status][0], words[c.Status][1]
	return p
}

var unknownPage = page{Title: "There is nothing to confirm here", Words: "This address is not known. Open the payment again from the shop.", Shop: "the shop"}

// challenge asks the buyer. Whoever has the address may answer: nobody guesses it.
func (s *server) challenge(w http.ResponseWriter, r *http.Request) {
	c, err := one(s.Pool.Query(r.Context(), chargeSQL+` where challenge = $1`, r.PathValue("id")))
	if err != nil {
		s.unclear(w, r, err)
		return
	}
	show(w, http.StatusOK, s.pageOf(c))
}

// decide takes the buyer's answer, once. A second one changes nothing, and is told what the first one did.
func (s *server) decide(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		show(w, http.StatusBadRequest, unreadablePage)
		return
	}
	status, decline := "", ""
	switch r.PostForm.Get("answer") {
	case "confirm":
		status = "authorised"
	case "refuse":
		status, decline = "declined", refusedAtBank
	default:
		show(w, http.StatusBadRequest, page{Title: "Please choose", Words: "Confirm or refuse the payment. Nothing has changed. Go back and choose again."})
		return
	}
	var c charge
	decided := false
	err := s.inTx(r, func(ctx context.Context, tx pgx.Tx, now time.Time) (err error) {
		decided = false
		if c, err = one(tx.Query(ctx, chargeSQL+` where challenge = $1 for update`, r.PathValue("id"))); err != nil || c.Status != "requires_action" {
			return err
		}
		decided = true
		return s.end(ctx, tx, now, &c, status, decline)
	})
	switch {
	case err != nil:
		s.unclear(w, r, err)
	case !decided:
		p := s.pageOf(c)
		p.Words += " Nothing has changed just now."
		show(w, http.StatusConflict, p)
	case c.returnURL != "":
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, c.returnURL, http.StatusSeeOther)
	default:
		show(w, http.StatusOK, s.pageOf(c))
	}
}

func (s *server) unclear(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errNone) {
		show(w, http.StatusNotFound, unknownPage)
		return
	}
	s.Log.Error("sandbox request failed", "route", r.Pattern, "error", err)
	show(w, http.StatusInternalServerError, awayPage)
}

var unreadablePage = page{Title: "Please try again", Words: "Your answer could not be read. Nothing has changed. Go back and choose again."}

var awayPage = page{Title: "The bank does not answer", Words: "Nothing has changed. Load this page again in a moment."}

// show writes a page that runs nothing, loads nothing and is framed by nobody.
func show(w http.ResponseWriter, status int, p page) {
	p.Style = template.CSS(challengeStyle) //nolint:gosec // ours
	var out bytes.Buffer
	if err := challengePage.Execute(&out, p); err != nil {
		http.Error(w, "the page cannot be written", http.StatusInternalServerError)
		return
	}
	forms := "'self'"
	if back, err := origin(p.Return); err == nil {
		forms += " " + back // browsers hold the redirect after the form to this as well
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src "+stylePolicy+"; form-action "+forms+"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes()) // nobody is left to tell
}
