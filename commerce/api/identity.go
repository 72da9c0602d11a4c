package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/guard"
)

const (
	// SessionCookie holds the secret of an account's session.
	SessionCookie = "rialto_session"
	// GuestCookie holds the signed token of a guest.
	GuestCookie = "rialto_guest"
	// GuestLife is how long a browser stays the same guest.
	GuestLife = 180 * 24 * time.Hour
)

// Identity is who asks. All members are empty for nobody known.
type Identity struct {
	Subject string           // "acc_…" or "gst_…"
	Session string           // "ses_…"; only with an account
	Account *account.Account // nil for a guest
	session commerce.SessionID
}

// Identify reads the cookies of any request (also WebSocket and WHEP): the session's account, else the guest,
// else nobody. A cookie that does not hold is as none. An error means that it could not be found out.
func (a *API) Identify(ctx context.Context, header http.Header) (Identity, error) {
	if secret, ok := cookie(header, SessionCookie); ok {
		s, err := a.config.Accounts.Session(ctx, secret)
		if err == nil {
			return identityOf(s), nil
		}
		if !errors.Is(err, account.ErrNoSession) {
			return Identity{}, fmt.Errorf("identify: %w", err)
		}
	}
	if token, ok := cookie(header, GuestCookie); ok {
		claims, err := a.config.Signer.Verify(guard.Guest, token)
		if err == nil {
			if _, err := commerce.Parse[commerce.GuestID](claims.Subject); err == nil {
				return Identity{Subject: claims.Subject}, nil
			}
		}
	}
	return Identity{}, nil
}

// cookie is the value of the first cookie of a name. Most browsers have one of ours and no other, which is read here.
func cookie(header http.Header, name string) (string, bool) {
	lines := header["Cookie"]
	if len(lines) == 1 && strings.HasPrefix(lines[0], name) {
		if value, ok := strings.CutPrefix(lines[0][len(name):], "="); ok && madeHere(value) {
			return value, true
		}
	}
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, name) }) {
		return "", false
	}
	c, err := (&http.Request{Header: header}).Cookie(name)
	if err != nil {
		return "", false
	}
	return c.Value, true
}

// madeHere says whether a cookie's value has only what those of ours are made of.
func madeHere(value string) bool {
	for _, c := range []byte(value) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return true
}

func identityOf(s account.Session) Identity {
	who := s.Account
	return Identity{Subject: who.ID.String(), Session: s.ID.String(), Account: &who, session: s.ID}
}

// who is Identify for the request being served.
func (a *API) who(ctx context.Context) (Identity, error) {
	return a.Identify(ctx, requestOf(ctx).r.Header)
}

// person is who, and makes a guest of nobody.
func (a *API) person(ctx context.Context) (Identity, error) {
	who, err := a.who(ctx)
	if err != nil || who.Subject != "" {
		return who, err
	}
	subject := commerce.NewID[commerce.GuestID]().String()
	token, err := a.config.Signer.Sign(guard.Claims{
		Kind: guard.Guest, Subject: subject, Expires: a.config.Now().Add(GuestLife).Unix(),
	})
	if err != nil {
		return Identity{}, err
	}
	a.setCookie(ctx, GuestCookie, token, GuestLife)
	return Identity{Subject: subject}, nil
}

// signedIn is who, and refuses everybody without an account.
func (a *API) signedIn(ctx context.Context) (Identity, error) {
	who, err := a.who(ctx)
	if err != nil {
		return Identity{}, err
	}
	if who.Account == nil {
		return Identity{}, problem(http.StatusUnauthorized, "signed_out", "Sign in first.")
	}
	return who, nil
}

// setCookie sets one, or with a life of 0 takes it away.
func (a *API) setCookie(ctx context.Context, name, value string, life time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: a.config.Secure,
		MaxAge: int(life.Seconds())}
	if life == 0 {
		c.MaxAge = -1
	}
	http.SetCookie(requestOf(ctx).w, c)
}
