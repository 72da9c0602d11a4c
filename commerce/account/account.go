package account

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rialto-live/rialto/commerce"
)

// Role is what an account may do. An account may have several.
type Role string

const (
	Creator  Role = "creator"  // runs shows
	Viewer   Role = "viewer"   // watches and buys; everybody may
	Brand    Role = "brand"    // owns products
	Operator Role = "operator" // runs the service; never by sign-up
)

const (
	MaxEmail    = 254 // bytes, by RFC 5321
	MaxName     = 80  // characters
	MinPassword = 8   // characters
	MaxPassword = 200 // bytes; more would only make hashing slower
	// MaxSessions of one account; a further sign-in ends the one that was used longest ago.
	MaxSessions = 50
)

// What can be wrong, once for all; the texts are for the person who typed.
var (
	ErrEmail       = errors.New("that does not look like an e-mail address")
	ErrName        = errors.New("a name has 1 to 80 characters")
	ErrPassword    = errors.New("a password has 8 to 200 characters")
	ErrRole        = errors.New("an account is a creator, a viewer, a brand, or several of these")
	ErrEmailTaken  = errors.New("there is an account with this e-mail address already")
	ErrConflict    = errors.New("this account id is in use with other content")
	ErrCredentials = errors.New("e-mail address or password is wrong")
	ErrNoSession   = errors.New("no such session")
	ErrNoAccount   = errors.New("no such account")
	ErrBusy        = errors.New("too many sign-ins at this moment")
	ErrReset       = errors.New("this link to a new password does not work any more")
)

// Account is a person as others see them, with the e-mail address for themselves.
type Account struct {
	ID      commerce.AccountID
	Email   string
	Name    string
	Roles   []Role
	Created time.Time
}

// Has says whether the account has any of the roles.
func (a Account) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(a.Roles, r) })
}

// NormalEmail is the form in which addresses are kept and compared: trimmed, NFC, lower case. The part before
// the @ is lowered too: no provider in use tells Ann@ from ann@, and people do not either.
func NormalEmail(s string) (string, error) {
	s = strings.ToLower(norm.NFC.String(strings.TrimSpace(s)))
	if len(s) > MaxEmail || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", ErrEmail
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s || parsed.Name != "" { // "Ann <ann@…>" parses, but is no address
		return "", ErrEmail
	}
	_, domain, _ := strings.Cut(s, "@")
	if !strings.Contains(domain, ".") && domain != "localhost" || strings.ContainsAny(s, " \"") {
		return "", ErrEmail
	}
	return s, nil
}

// NormalName trims, and refuses what could not be shown on one line.
func NormalName(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", ErrName
	}
	s = strings.TrimSpace(norm.NFC.String(s))
	n := utf8.RuneCountInString(s)
	if n < 1 || n > MaxName || strings.ContainsFunc(s, unicode.IsControl) {
		return "", ErrName
	}
	return s, nil
}

func checkPassword(s string) error {
	if len(s) > MaxPassword || !utf8.ValidString(s) || utf8.RuneCountInString(s) < MinPassword {
		return ErrPassword
	}
	return nil
}

// checkRoles accepts the roles that a person may choose, each once.
func checkRoles(roles []Role) ([]Role, error) {
	if len(roles) == 0 {
		return []Role{Viewer}, nil
	}
	chosen := slices.Compact(slices.Sorted(slices.Values(roles)))
	for _, r := range chosen {
		if r != Creator && r != Viewer && r != Brand {
			return nil, fmt.Errorf("%w: not %.20q", ErrRole, r)
		}
	}
	return chosen, nil
}
