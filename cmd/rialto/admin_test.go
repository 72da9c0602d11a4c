package main

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

// command runs one command line inside this process.
func (m *market) command(in string, args ...string) (code int, out, errs string) {
	m.t.Helper()
	return ask(m.t, in, []string{"DATABASE_URL=" + m.dsn, "REDIS_URL=" + m.redis.URL()}, args...)
}

func ask(t *testing.T, in string, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var said, complained strings.Builder
	code = run(t.Context(), args, terminal{strings.NewReader(in), &said, &complained, environ})
	return code, said.String(), complained.String()
}

func TestCreateOperator(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	code, out, errs := m.command(password+"\n", "admin", "create-operator", "--email", "Ada@example.com", "--name", "Ada")
	if code != 0 || !strings.Contains(out, "acc_") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	if strings.Contains(out+errs, password) {
		t.Error("the password is shown")
	}
	ada := somebody(t, n.url, loopback)
	ada.want(http.StatusCreated, "", http.MethodPost, "/sessions", map[string]any{"email": "ada@example.com", "password": password})
	mara := n.signUp("mara", "creator")
	show := mara.newShow()
	// An operator moderates what is not theirs, and edits nothing of it.
	ada.want(http.StatusOK, "", http.MethodPut, "/shows/"+show+"/bans/"+n.guest().subject, map[string]any{"reason": "spam"})
	ada.want(http.StatusForbidden, "not_creator", http.MethodPut, "/shows/"+show, map[string]any{"title": "Ada's kitchen"})
	ada.want(http.StatusForbidden, "forbidden", http.MethodGet, "/shows/"+show+"/stream-key", nil)
	ada.want(http.StatusOK, "", http.MethodPost, "/shows/"+show+"/end", nil)
}

func TestCreateOperatorSaysWhatIsWrong(t *testing.T) {
	m := newMarket(t)
	for _, tc := range []struct {
		name, in string
		args     []string
		code     int
	}{
		{"no address", password, []string{"--name", "Ada"}, exitUsage},
		{"a wrong address", password, []string{"--email", "ada"}, exitFailed},
		{"no password", "", []string{"--email", "ada@example.com"}, exitFailed},
		{"a short password", "12345\n", []string{"--email", "ada@example.com"}, exitFailed},
	} {
		code, out, errs := m.command(tc.in, append([]string{"admin", "create-operator"}, tc.args...)...)
		if code != tc.code || out != "" || !strings.HasPrefix(errs, "rialto: ") {
			t.Errorf("%s: exit code %d, want %d: %q %q", tc.name, code, tc.code, out, errs)
		}
	}
	if got := m.count(`select count(*) from account`); got != 0 {
		t.Errorf("%d accounts were made", got)
	}
}

// Nobody becomes an operator over HTTP.
func TestOperatorIsNoRoleToSignUpWith(t *testing.T) {
	n := newMarket(t).node()
	p := somebody(t, n.url, loopback)
	r, err := p.try(http.MethodPost, "/accounts", map[string]any{
		"id": "acc_" + strings.Repeat("7", 32), "email": "eve@example.com", "name": "Eve", "password": password, "roles": []string{"operator"},
	})
	if err != nil || r.status != http.StatusUnprocessableEntity || r.code() != "role_invalid" {
		t.Errorf("%s %v", r, err)
	}
}

func TestVerifyFindsABreach(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara := n.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 3)
	n.guest().hold(pan, 1)
	if code, out, errs := m.command("", "verify"); code != 0 || strings.Contains(out, "BREACH") {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	n.stop() // else the node would put its gate right meanwhile
	if _, err := m.db.Exec(t.Context(), `update pool set taken = taken + 1`); err != nil {
		t.Fatal(err)
	}
	code, out, errs := m.command("", "verify")
	if code != exitFailed || !strings.Contains(out, "BREACH") || !strings.Contains(out, "taken 2, holds have 1") {
		t.Errorf("exit code %d after a unit was lost: %s%s", code, out, errs)
	}
	if lines := strings.Split(strings.TrimSpace(errs), "\n"); len(lines) != 1 {
		t.Errorf("it ends with %q", errs)
	}
	if _, err := m.db.Exec(t.Context(), `update pool set taken = taken - 1`); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = m.command("", "verify"); code != 0 {
		t.Errorf("exit code %d with all put right: %s%s", code, out, errs)
	}
}

func TestMigrateTwice(t *testing.T) {
	environ := []string{"DATABASE_URL=" + schematest.Empty(t)}
	code, out, errs := ask(t, "", environ, "migrate")
	if code != 0 || !regexp.MustCompile(`[1-9][0-9]* migrations applied`).MatchString(out) {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	code, out, errs = ask(t, "", environ, "migrate")
	if code != 0 || !strings.Contains(out, " 0 migrations applied") {
		t.Errorf("exit code %d the second time: %s%s", code, out, errs)
	}
	if code, out, errs = ask(t, "", environ, "verify"); code != 0 {
		t.Errorf("exit code %d for a database without a show: %s%s", code, out, errs)
	}
}

func TestStoresOutOfReachAreOneLine(t *testing.T) {
	gone := embeddedtest.NewPostgresServer(t)
	dsn := gone.DSN()
	gone.Stop()
	for _, environ := range [][]string{{"DATABASE_URL=" + dsn}, {"DATABASE_URL=postgres://%zz"}} {
		code, out, errs := ask(t, "", environ, "verify")
		if code != exitFailed || out != "" || !strings.Contains(errs, "DATABASE_URL") || strings.Count(errs, "rialto: ") != 1 {
			t.Errorf("%s: exit code %d: %q %q", environ, code, out, errs)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	if code, _, errs := ask(t, "", nil, "verify", "--data", nowhere); code != exitUsage || !strings.Contains(errs, nowhere) {
		t.Errorf("exit code %d without any stores: %q", code, errs)
	}
}

func TestVersion(t *testing.T) {
	code, out, errs := ask(t, "", nil, "version")
	if code != 0 || errs != "" || !regexp.MustCompile(`^rialto \S.* go1\.\d+\S*\n$`).MatchString(out) {
		t.Errorf("exit code %d: %q %q", code, out, errs)
	}
}
