package guard

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind says what a token is for. It is part of what is signed.
type Kind string

const (
	Guest   Kind = "guest"   // the guest cookie: Subject
	Publish Kind = "publish" // a studio may publish one show: Subject, Session, Show
	Order   Kind = "order"   // whoever holds the link may read one order: Ref
	Room    Kind = "room"    // a room ticket, where cookies do not travel: Subject, Session (with an account)
	Reset   Kind = "reset"   // whoever holds the link may set a new password: Subject, Ref (of the password that it replaces)
)

const (
	// MinSecret is the fewest bytes of a signing secret.
	MinSecret = 32
	// MaxToken bounds the text of a token; a longer one is refused unread.
	MaxToken = 1024
)

var (
	// ErrToken: not a token of ours, or of another kind, or changed.
	ErrToken = errors.New("token is not valid")
	// ErrTokenExpired: it was valid once.
	ErrTokenExpired = errors.New("token has expired")
)

// Claims is what a token says. Members that the kind does not need are empty.
type Claims struct {
	Kind    Kind   `json:"kind"`
	Subject string `json:"sub,omitempty"`
	Session string `json:"ses,omitempty"`
	Show    string `json:"shw,omitempty"`
	Ref     string `json:"ref,omitempty"`
	// Expires, in Unix seconds; the first second in which the token no longer holds. 0: never.
	Expires int64 `json:"exp,omitempty"`
}

// Signer makes and checks tokens. It has no state and may be shared.
type Signer struct {
	keys [][]byte // static after New; the first signs, all of them check
	now  func() time.Time
}

// NewSigner takes the shared secret of all nodes, and older ones whose tokens still hold: a secret is
// changed by putting the new one in front for as long as the longest token lives.
func NewSigner(now func() time.Time, secret string, older ...string) (*Signer, error) {
	if now == nil {
		return nil, errors.New("guard: a clock is needed")
	}
	s := &Signer{now: now}
	for _, secret := range append([]string{secret}, older...) {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("guard: the signing secret has %d bytes, at least %d are needed", len(secret), MinSecret)
		}
		// Derived, so that the same configured secret can serve other purposes without one helping to
		// forge for another.
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, "rialto token v1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("guard: derive the signing key: %w", err)
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// Sign makes the token of c. Its text is safe in URLs, cookies and headers.
func (s *Signer) Sign(c Claims) (string, error) {
	if c.Kind == "" {
		return "", errors.New("guard: a token needs a kind")
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("guard: token: %w", err)
	}
	text := encode(body)
	token := text + "." + encode(sum(s.keys[0], text))
	if len(token) > MaxToken {
		return "", fmt.Errorf("guard: the token has %d bytes, at most %d are allowed", len(token), MaxToken)
	}
	return token, nil
}

// Verify reads a token of the kind that the caller expects.
func (s *Signer) Verify(kind Kind, token string) (Claims, error) {
	var c Claims
	text, signature, found := strings.Cut(token, ".")
	if !found || len(token) > MaxToken {
		return Claims{}, ErrToken
	}
	mac, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil || !s.signed(text, mac) {
		return Claims{}, ErrToken
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Claims{}, ErrToken
	}
	if err := json.Unmarshal(body, &c); err != nil || c.Kind != kind {
		return Claims{}, ErrToken
	}
	if c.Expires != 0 && s.now().Unix() >= c.Expires {
		return Claims{}, ErrTokenExpired
	}
	return c, nil
}

func (s *Signer) signed(text string, mac []byte) bool {
	for _, key := range s.keys {
		if hmac.Equal(mac, sum(key, text)) {
			return true
		}
	}
	return false
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
