package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/guard"
)

func TestGuestStaysTheSamePerson(t *testing.T) {
	s := newSite(t, func(c *api.Config) { c.Sandbox = true })
	b := s.browser()
	first := b.want(200, "", "GET", "/me", nil)
	subject, _ := first.body["subject"].(string)
	if !strings.HasPrefix(subject, "gst_") || first.body["account"] != nil || first.body["sandbox"] != true {
		t.Fatalf("me: %s", first.raw)
	}
	if again := b.want(200, "", "GET", "/me", nil); again.body["subject"] != subject || again.header.Get("Set-Cookie") != "" {
		t.Errorf("again: %s, %v", again.raw, again.header)
	}
	set := first.header.Get("Set-Cookie")
	for _, flag := range []string{"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="} {
		if !strings.Contains(set, flag) {
			t.Errorf("guest cookie without %s: %s", flag, set)
		}
	}
	if strings.Contains(set, "Secure") {
		t.Errorf("a Secure cookie over http would be lost: %s", set)
	}
	if first.header.Get("Cache-Control") != "no-store" {
		t.Error("who somebody is may be cached")
	}
}

func TestCookiesAreSecureBehindHTTPS(t *testing.T) {
	s := newSite(t, func(c *api.Config) { c.Secure = true })
	r := s.browser().want(201, "", "POST", "/accounts", map[string]any{
		"id": commerce.NewID[commerce.AccountID](), "email": "a@example.com", "name": "A", "password": password})
	if set := r.header.Get("Set-Cookie"); !strings.Contains(set, "Secure") || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") {
		t.Errorf("session cookie %s", set)
	}
}

func TestForgedGuestIsNobody(t *testing.T) {
	s := newSite(t)
	other, err := guard.NewSigner(time.Now, "another secret of at least 32 bytes")
	if err != nil {
		t.Fatal(err)
	}
	subject := commerce.NewID[commerce.GuestID]().String()
	forged, _ := other.Sign(guard.Claims{Kind: guard.Guest, Subject: subject})
	ticket, _ := s.signer.Sign(guard.Claims{Kind: guard.Publish, Subject: subject})
	asAccount, _ := s.signer.Sign(guard.Claims{Kind: guard.Guest, Subject: commerce.NewID[commerce.AccountID]().String()})
	over, _ := s.signer.Sign(guard.Claims{Kind: guard.Guest, Subject: subject, Expires: time.Now().Unix() - 1})
	for name, token := range map[string]string{"other secret": forged, "other kind": ticket, "an account": asAccount, "expired": over, "nothing": "x"} {
		h := http.Header{"Cookie": {api.GuestCookie + "=" + token}}
		if who, err := s.api.Identify(t.Context(), h); err != nil || who.Subject != "" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestSignUpSignInSignOut(t *testing.T) {
	s := newSite(t)
	b, id := s.signUp("mara", "creator", "brand")
	me := b.want(200, "", "GET", "/me", nil)
	who, _ := me.body["account"].(map[string]any)
	if me.body["subject"] != id || who["email"] != "mara@example.com" || len(who["roles"].([]any)) != 2 {
		t.Fatalf("me: %s", me.raw)
	}
	changed := b.want(200, "", "PATCH", "/me", map[string]any{"name": "  Mara L. "})
	if changed.body["name"] != "Mara L." {
		t.Errorf("renamed: %s", changed.raw)
	}
	session := b.cookie(api.SessionCookie).Value
	b.want(204, "", "DELETE", "/sessions/current", nil)
	if b.cookie(api.SessionCookie) != nil {
		t.Error("the cookie is still there")
	}
	b.want(401, "signed_out", "PATCH", "/me", map[string]any{"name": "X"})
	b.want(204, "", "DELETE", "/sessions/current", nil) // twice
	h := http.Header{"Cookie": {api.SessionCookie + "=" + session}}
	if who, err := s.api.Identify(t.Context(), h); err != nil || who.Subject != "" {
		t.Errorf("the old cookie still opens: %+v, %v", who, err)
	}
	if n := s.outbox(`lane = 'control' and payload->>'op' = 'revoke' and payload->>'session' like 'ses_%' and payload->>'subject' = ''`); n != 1 {
		t.Errorf("%d orders to end the session's connections, want 1", n)
	}
	b.want(201, "", "POST", "/sessions", map[string]any{"email": " MARA@Example.com ", "password": password})
	b.want(200, "", "PATCH", "/me", map[string]any{"name": "Mara"})
}

func TestSignInTellsNothing(t *testing.T) {
	s := newSite(t)
	s.signUp("mara")
	b := s.browser()
	wrong := b.want(401, "credentials_wrong", "POST", "/sessions", map[string]any{"email": "mara@example.com", "password": "not the password"})
	for _, in := range []map[string]any{
		{"email": "nobody@example.com", "password": password}, {"email": "no address", "password": password},
		{"email": "mara@example.com", "password": ""}, {"email": "mara@example.com", "password": strings.Repeat("x", account.MaxPassword+1)},
	} {
		if r := b.want(401, "credentials_wrong", "POST", "/sessions", in); string(r.raw) != string(wrong.raw) {
			t.Errorf("%v is told apart: %s", in, r.raw)
		}
	}
	if b.cookie(api.SessionCookie) != nil {
		t.Error("a session without a password")
	}
}

func TestSignUpRefusals(t *testing.T) {
	s := newSite(t)
	s.signUp("mara")
	good := func() map[string]any {
		return map[string]any{"id": commerce.NewID[commerce.AccountID](), "email": "new@example.com", "name": "New", "password": password}
	}
	for code, change := range map[string]map[string]any{
		"email_invalid":    {"email": "no at sign"},
		"name_invalid":     {"name": " \t "},
		"password_invalid": {"password": "short"},
		"role_invalid":     {"roles": []string{"operator"}},
		"email_taken":      {"email": "Mara@example.com"},
		"invalid":          {"id": commerce.NewID[commerce.ShowID]()},
	} {
		in := good()
		for k, v := range change {
			in[k] = v
		}
		status := 422
		if code == "email_taken" {
			status = 409
		}
		r := s.browser().want(status, code, "POST", "/accounts", in)
		if strings.Contains(string(r.raw), password) {
			t.Errorf("the password is repeated in an answer: %s", r.raw)
		}
	}
	in := good()
	delete(in, "email")
	if r := s.browser().want(422, "invalid", "POST", "/accounts", in); r.body["errors"] == nil || strings.Contains(string(r.raw), password) {
		t.Errorf("a missing member: %s", r.raw)
	}
}

func TestSignUpTwiceWithTheSameID(t *testing.T) {
	s := newSite(t)
	in := map[string]any{"id": commerce.NewID[commerce.AccountID](), "email": "a@example.com", "name": "A", "password": password}
	var group errgroup.Group
	var mu sync.Mutex
	statuses := map[int]int{}
	for range 4 { // an impatient thumb
		b := s.browser()
		group.Go(func() error {
			r := b.do("POST", "/accounts", in)
			mu.Lock()
			defer mu.Unlock()
			statuses[r.status]++
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if statuses[201] != 4 {
		t.Errorf("statuses %v", statuses)
	}
	in["password"] = "another password"
	s.browser().want(409, "account_conflict", "POST", "/accounts", in)
	in["password"], in["email"] = password, "b@example.com"
	s.browser().want(409, "account_conflict", "POST", "/accounts", in)
}

// Somebody plants a session or guest cookie in a victim's browser; signing in makes a new secret, and the
// planted session of another account is ended.
func TestSessionFixation(t *testing.T) {
	s := newSite(t)
	attacker, _ := s.signUp("attacker")
	planted := attacker.cookie(api.SessionCookie)
	s.signUp("victim")
	b := s.browser()
	b.header.Set("Cookie", planted.Name+"="+planted.Value)
	r := b.want(201, "", "POST", "/sessions", map[string]any{"email": "victim@example.com", "password": password})
	if strings.Contains(r.header.Get("Set-Cookie"), planted.Value) {
		t.Error("the planted secret was kept")
	}
	h := http.Header{"Cookie": {planted.Name + "=" + planted.Value}}
	if who, err := s.api.Identify(t.Context(), h); err != nil || who.Subject != "" {
		t.Errorf("the planted session lives: %+v, %v", who, err)
	}
}

func TestChangePassword(t *testing.T) {
	s := newSite(t)
	b, _ := s.signUp("mara")
	other := s.browser()
	other.want(201, "", "POST", "/sessions", map[string]any{"email": "mara@example.com", "password": password})
	b.want(401, "credentials_wrong", "PUT", "/me/password", map[string]any{"old": "wrong", "new": "a new password"})
	b.want(422, "password_invalid", "PUT", "/me/password", map[string]any{"old": password, "new": "short"})
	b.want(204, "", "PUT", "/me/password", map[string]any{"old": password, "new": "a new password"})
	b.want(200, "", "PATCH", "/me", map[string]any{"name": "Still here"})
	other.want(401, "signed_out", "PATCH", "/me", map[string]any{"name": "Gone"})
	other.want(401, "credentials_wrong", "POST", "/sessions", map[string]any{"email": "mara@example.com", "password": password})
	other.want(201, "", "POST", "/sessions", map[string]any{"email": "mara@example.com", "password": "a new password"})
}

func TestSignOutEverywhere(t *testing.T) {
	s := newSite(t)
	b, _ := s.signUp("mara")
	other := s.browser()
	other.want(201, "", "POST", "/sessions", map[string]any{"email": "mara@example.com", "password": password})
	b.want(204, "", "DELETE", "/sessions", nil)
	other.want(401, "signed_out", "PATCH", "/me", map[string]any{"name": "X"})
	if n := s.outbox(`lane = 'control'`); n != 2 {
		t.Errorf("%d orders, want one per session", n)
	}
	s.browser().want(401, "signed_out", "DELETE", "/sessions", nil)
}

// Ten tries for one address from ten thousand machines; thirty from one machine for ten thousand addresses.
func TestSignInIsLimited(t *testing.T) {
	// The clock stands still: hashing is slow here, and the pace would let more through meanwhile.
	s := newSite(t, func(c *api.Config) {
		now := time.Now()
		var err error
		c.Limiter, err = guard.NewLimiter(nil, c.Log, prometheus.NewRegistry(), func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
	})
	b := s.browser()
	try := func(email, from string) reply {
		b.header.Set("Test-From", from)
		return b.do("POST", "/sessions", map[string]any{"email": email, "password": "wrong password"})
	}
	for i := range 10 {
		if r := try("Mara@example.com", "10.0.0."+strconv.Itoa(i+1)); r.status != 401 {
			t.Fatalf("try %d: %d", i+1, r.status)
		}
	}
	r := try("mara@EXAMPLE.com", "10.0.0.99")
	after, err := strconv.Atoi(r.header.Get("Retry-After"))
	if r.status != 429 || r.body["code"] != "too_many_attempts" || err != nil || after < 1 || after > 30 {
		t.Errorf("one past the limit of an address of mail: %d %s, Retry-After %d", r.status, r.raw, after)
	}
	r.checkProblem(t)
	for i := range 30 { // a /64 is one household
		if r := try("u"+strconv.Itoa(i)+"@example.com", "2001:db8::"+strconv.Itoa(i+1)); r.status != 401 {
			t.Fatalf("try %d: %d", i+1, r.status)
		}
	}
	if r := try("u99@example.com", "2001:db8::ffff"); r.status != 429 {
		t.Errorf("one past the limit of a network: %d", r.status)
	}
	if r := try("u99@example.com", "2001:db8:0:1::1"); r.status != 401 {
		t.Errorf("a neighbour: %d", r.status)
	}
}

func TestOtherSitesCannotWrite(t *testing.T) {
	s := newSite(t, func(c *api.Config) { c.TrustedOrigins = []string{"https://node2.example"} })
	b, _ := s.signUp("mara")
	b.header.Set("Sec-Fetch-Site", "cross-site")
	b.header.Set("Origin", "https://evil.example")
	b.want(403, "cross_origin", "PATCH", "/me", map[string]any{"name": "Evil"})
	b.want(200, "", "GET", "/me", nil)
	b.header.Set("Origin", "https://node2.example")
	b.want(200, "", "PATCH", "/me", map[string]any{"name": "Node"})
}

// Postgres goes away under open connections, and comes back.
func TestDatabaseAway(t *testing.T) {
	s := newSite(t)
	b, _ := s.signUp("mara")
	h := http.Header{"Cookie": {api.SessionCookie + "=" + b.cookie(api.SessionCookie).Value}}
	server := s.pool.Config().ConnConfig.Copy()
	name := server.Database
	server.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	accept := func(yes string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), `alter database `+name+` allow_connections `+yes); err != nil {
			t.Fatal(err)
		}
	}
	accept("false")
	if _, err := admin.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1`, name); err != nil {
		t.Fatal(err)
	}
	for range 3 { // a connection that was open, and new ones
		r := b.want(503, "unavailable", "GET", "/me", nil)
		if r.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
		if r.header.Get("Set-Cookie") != "" {
			t.Error("somebody signed in became a guest because the database was away")
		}
	}
	if who, err := s.api.Identify(t.Context(), h); err == nil {
		t.Errorf("without a database somebody is %+v", who)
	}
	accept("true")
	b.want(200, "", "GET", "/me", nil)
}
