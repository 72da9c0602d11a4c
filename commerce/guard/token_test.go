package guard_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/guard"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const secret = "a secret that has at least 32 bytes"

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func signer(t *testing.T, now *time.Time, secrets ...string) *guard.Signer {
	t.Helper()
	s, err := guard.NewSigner(func() time.Time { return *now }, secrets[0], secrets[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTokenSaysWhatWasSigned(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z0-9_]{0,40}`)
		c := guard.Claims{
			Kind: rapid.SampledFrom([]guard.Kind{guard.Guest, guard.Publish, guard.Order, guard.Room}).Draw(t, "kind"), Subject: text.Draw(t, "subject"),
			Session: text.Draw(t, "session"), Show: text.Draw(t, "show"), Ref: text.Draw(t, "ref"),
			Expires: epoch.Unix() + rapid.Int64Range(1, 1<<30).Draw(t, "seconds"),
		}
		token, err := s.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Verify(c.Kind, token); err != nil || got != c {
			t.Fatalf("%+v, %v; want %+v", got, err, c)
		}
		// Any one character changed, or left out: refused.
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		changed := []byte(token)
		changed[at] = rapid.SampledFrom([]byte("ABab01-_.=")).Filter(func(b byte) bool { return b != token[at] }).Draw(t, "to")
		if _, err := s.Verify(c.Kind, string(changed)); !errors.Is(err, guard.ErrToken) {
			t.Fatalf("changed at %d: %v", at, err)
		}
		if _, err := s.Verify(c.Kind, token[:at]+token[at+1:]); !errors.Is(err, guard.ErrToken) {
			t.Fatalf("without %d: %v", at, err)
		}
	})
}

// Whatever stands in a token is read as it was written, be it plain or not.
func TestTokenSaysAnything(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	rapid.Check(t, func(t *rapid.T) {
		c := guard.Claims{Kind: guard.Kind(rapid.StringN(1, 20, 40).Draw(t, "kind")), Expires: rapid.OneOf(rapid.Just[int64](0), rapid.Int64Min(epoch.Unix()+1)).Draw(t, "expires")}
		for _, member := range []*string{&c.Subject, &c.Session, &c.Show, &c.Ref} {
			*member = rapid.StringN(0, 20, 40).Draw(t, "member")
		}
		text, err := json.Marshal(c)
		if err != nil || json.Unmarshal(text, &c) != nil { // bytes that are no text are mended once
			t.Skip()
		}
		token, err := s.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Verify(c.Kind, token); err != nil || got != c {
			t.Fatalf("%+v, %v; want %+v", got, err, c)
		}
	})
}

// A signature that is missing, or is made of line breaks, does not pass after one that was right.
func TestTokenAfterARightOne(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	token, err := s.Sign(guard.Claims{Kind: guard.Guest, Subject: "gst_1"})
	if err != nil {
		t.Fatal(err)
	}
	text, signature, _ := strings.Cut(token, ".")
	for _, wrong := range []string{"", strings.Repeat("\n", len(signature)), signature[:40] + "\n\n\n", signature + "\n", "\r\n" + signature[2:]} {
		if _, err := s.Verify(guard.Guest, token); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(guard.Guest, text+"."+wrong); !errors.Is(err, guard.ErrToken) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// Many at once do not mix up what they check.
func TestTokensAtOnce(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			c := guard.Claims{Kind: guard.Guest, Subject: fmt.Sprint("gst_", i)}
			token, err := s.Sign(c)
			for range 500 {
				got, wrong := s.Verify(guard.Guest, token)
				if err = errors.Join(err, wrong); got != c {
					return fmt.Errorf("%+v is read as %+v: %w", c, got, err)
				}
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTokenOfAnotherKind(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	for _, is := range []guard.Kind{guard.Guest, guard.Publish, guard.Order, guard.Room} {
		token, err := s.Sign(guard.Claims{Kind: is, Subject: "gst_1"})
		if err != nil {
			t.Fatal(err)
		}
		for _, as := range []guard.Kind{guard.Guest, guard.Publish, guard.Order, guard.Room} {
			if _, err := s.Verify(as, token); (err == nil) != (is == as) {
				t.Errorf("%s as %s: %v", is, as, err)
			}
		}
	}
	if _, err := s.Sign(guard.Claims{Subject: "x"}); err == nil {
		t.Error("a token of no kind was signed")
	}
}

func TestTokenExpires(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	token, err := s.Sign(guard.Claims{Kind: guard.Publish, Expires: epoch.Add(5 * time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	now = epoch.Add(5*time.Minute - time.Second)
	if _, err := s.Verify(guard.Publish, token); err != nil {
		t.Errorf("in its last second: %v", err)
	}
	now = epoch.Add(5 * time.Minute)
	if _, err := s.Verify(guard.Publish, token); !errors.Is(err, guard.ErrTokenExpired) {
		t.Errorf("a second later: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	now := epoch
	next := strings.Repeat("n", guard.MinSecret)
	before, during, after := signer(t, &now, secret), signer(t, &now, next, secret), signer(t, &now, next)
	old, _ := before.Sign(guard.Claims{Kind: guard.Guest, Subject: "gst_1"})
	fresh, _ := during.Sign(guard.Claims{Kind: guard.Guest, Subject: "gst_1"})
	for name, c := range map[string]struct {
		by    *guard.Signer
		token string
		ok    bool
	}{
		"old by old": {before, old, true}, "old while changing": {during, old, true}, "fresh while changing": {during, fresh, true},
		"old afterwards": {after, old, false}, "fresh afterwards": {after, fresh, true}, "fresh by old": {before, fresh, false},
	} {
		if _, err := c.by.Verify(guard.Guest, c.token); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	clock := func() time.Time { return now }
	if _, err := guard.NewSigner(clock, strings.Repeat("s", guard.MinSecret-1)); err == nil {
		t.Error("a short secret was taken")
	}
	if _, err := guard.NewSigner(clock, secret, "short"); err == nil {
		t.Error("a short older secret was taken")
	}
}

func TestTokenLimit(t *testing.T) {
	now := epoch
	s := signer(t, &now, secret)
	if _, err := s.Sign(guard.Claims{Kind: guard.Order, Ref: strings.Repeat("x", guard.MaxToken)}); err == nil {
		t.Error("a token past the limit was signed")
	}
	if _, err := s.Verify(guard.Order, strings.Repeat("x", 1<<20)+"."); !errors.Is(err, guard.ErrToken) {
		t.Errorf("a long token: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	now := epoch
	s, err := guard.NewSigner(func() time.Time { return now }, secret)
	if err != nil {
		f.Fatal(err)
	}
	token, _ := s.Sign(guard.Claims{Kind: guard.Guest, Subject: "gst_1"})
	text, _, _ := strings.Cut(token, ".")
	for _, seed := range []string{"", ".", "a.b", token, token + "x", text + ".", base64.RawURLEncoding.EncodeToString([]byte("null")) + "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if _, err := s.Verify(guard.Guest, in); err == nil && in != token {
			t.Errorf("forged: %q", in)
		}
	})
}
