package guard

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
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
	keys  [][]byte  // static after New; the first signs, all of them check
	rooms sync.Pool // of *checking
	now   func() time.Time
}

// checking is room to check a token in: each tap of a guest brings one.
type checking struct {
	sums  []hash.Hash // by the keys
	token [MaxToken]byte
	said  [MaxToken]byte
	mac   [sha256.Size]byte
	want  [sha256.Size]byte
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
	s.rooms.New = func() any {
		c := &checking{}
		for _, key := range s.keys {
			c.sums = append(c.sums, hmac.New(sha256.New, key))
		}
		return c
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

// strictly reads what encode writes, and nothing that only means the same.
var strictly = base64.RawURLEncoding.Strict()

// Verify reads a token of the kind that the caller expects.
func (s *Signer) Verify(kind Kind, token string) (Claims, error) {
	dot := strings.IndexByte(token, '.')
	if dot < 0 || len(token) > MaxToken || strictly.DecodedLen(len(token)-dot-1) != sha256.Size {
		return Claims{}, ErrToken
	}
	room := s.rooms.Get().(*checking)
	defer s.rooms.Put(room)
	whole := room.token[:copy(room.token[:], token)]
	text, signature := whole[:dot], whole[dot+1:]
	n, err := strictly.Decode(room.mac[:], signature)
	// Line breaks are passed over: what was in the room before must not stand for what is missing.
	if err != nil || n != sha256.Size || !room.signed(text) {
		return Claims{}, ErrToken
	}
	n, err = strictly.Decode(room.said[:], text)
	if err != nil {
		return Claims{}, ErrToken
	}
	c, ok := readClaims(room.said[:n])
	if !ok {
		if err := json.Unmarshal(room.said[:n], &c); err != nil {
			return Claims{}, ErrToken
		}
	}
	if c.Kind != kind {
		return Claims{}, ErrToken
	}
	if c.Expires != 0 && s.now().Unix() >= c.Expires {
		return Claims{}, ErrTokenExpired
	}
	return c, nil
}

func (c *checking) signed(text []byte) bool {
	for _, sum := range c.sums {
		sum.Reset()
		sum.Write(text)
		if hmac.Equal(c.mac[:], sum.Sum(c.want[:0])) {
			return true
		}
	}
	return false
}

// readClaims reads claims as Sign writes them, if their texts are plain. Of all else ok is false.
func readClaims(text []byte) (c Claims, ok bool) {
	left := text
	for _, member := range [...]struct {
		before string
		to     *string
	}{
		{`{"kind":"`, (*string)(&c.Kind)}, {`,"sub":"`, &c.Subject}, {`,"ses":"`, &c.Session}, {`,"shw":"`, &c.Show}, {`,"ref":"`, &c.Ref},
	} {
		after, found := bytes.CutPrefix(left, []byte(member.before))
		if !found {
			continue
		}
		end := bytes.IndexByte(after, '"')
		if end < 0 || !plain(after[:end]) {
			return Claims{}, false
		}
		*member.to, left = string(after[:end]), after[end+1:]
	}
	if after, found := bytes.CutPrefix(left, []byte(`,"exp":`)); found {
		end := len(after) - 1
		n, err := strconv.ParseInt(string(after[:max(end, 0)]), 10, 64)
		if err != nil || after[0] == '+' {
			return Claims{}, false
		}
		c.Expires, left = n, after[end:]
	}
	return c, c.Kind != "" && string(left) == "}"
}

// plain says whether a text stands in JSON as it is.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func sum(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
