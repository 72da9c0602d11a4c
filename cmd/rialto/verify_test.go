package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
)

// verdict is one line of `rialto verify`: an invariant, kept or not. What follows a breach is indented.
var verdict = regexp.MustCompile(`^(ok    |BREACH) [a-z]+: .+$`)

// The real program says a line each and how many promises are broken, and its exit code tells a script: 0 all is well,
// 1 something is broken or could not be found out, 2 it was asked wrongly.
func TestVerifyAsAProgram(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara, vic := n.signUp("mara", "creator"), n.guest()
	pan := mara.sell(mara.newShow(), 3)
	order := orderPath()
	vic.want(http.StatusCreated, "", http.MethodPut, order, paying(vic.hold(pan, 1), cardGood))
	vic.captured(order)
	env := []string{"DATABASE_URL=" + m.dsn, "REDIS_URL=" + m.redis.URL()}

	whole := finish(t, 0, env, program(t), "verify")
	lines := strings.Split(strings.TrimSpace(whole.out.String()), "\n")
	for _, line := range lines {
		if !verdict.MatchString(line) || !strings.HasPrefix(line, "ok ") {
			t.Errorf("a line of a whole shop: %q", line)
		}
	}
	if len(lines) < 15 || whole.err.String() != "" {
		t.Errorf("%d lines, and %q", len(lines), whole.err.String())
	}

	n.stop()                                    // else the node would put it right
	m.exec(`update pool set taken = taken + 1`) // by somebody's hand
	broken := finish(t, exitFailed, env, program(t), "verify")
	if said := broken.out.String(); !strings.Contains(said, "BREACH units: taken = held + paying + sold in each pool\n       pool ") || !strings.Contains(said, "ok     money: ") {
		t.Errorf("it says\n%s", said)
	}
	if said := broken.err.String(); !strings.Contains(said, "promises are broken") || strings.Count(strings.TrimSpace(said), "\n") > 0 {
		t.Errorf("it complains %q", said)
	}
	m.exec(`update pool set taken = taken - 1`)
	finish(t, 0, env, program(t), "verify")
}

func TestVerifyThatCannotKnow(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara := n.signUp("mara", "creator")
	n.guest().hold(mara.sell(mara.newShow(), 3), 1) // a pool that the gate has a copy of
	gone := embeddedtest.NewRedisServer(t)
	gone.Kill()
	for name, tc := range map[string]struct {
		env  []string
		args []string
		code int
		says string
	}{
		"no Postgres":       {[]string{"DATABASE_URL=postgres://nobody@127.0.0.1:1/none?connect_timeout=5"}, nil, exitFailed, "Postgres"},
		"no Redis":          {[]string{"DATABASE_URL=" + m.dsn, "REDIS_URL=" + gone.URL()}, nil, exitFailed, "gate"},
		"no stores at all":  {nil, []string{"--data", t.TempDir() + "/none"}, exitUsage, "DATABASE_URL"},
		"a word too many":   {[]string{"DATABASE_URL=" + m.dsn}, []string{"now"}, exitUsage, "now"},
		"a wrong REDIS_URL": {[]string{"DATABASE_URL=" + m.dsn, "REDIS_URL=ftp://x"}, nil, exitFailed, "REDIS_URL"},
	} {
		p := finish(t, tc.code, tc.env, append([]string{program(t), "verify"}, tc.args...)...)
		if said := p.err.String(); !strings.Contains(said, tc.says) || strings.Contains(p.out.String(), "BREACH") {
			t.Errorf("%s: it says %q and %q", name, p.out.String(), said)
		}
	}
}

func (m *market) exec(sql string) {
	m.t.Helper()
	if _, err := m.db.Exec(m.t.Context(), sql); err != nil {
		m.t.Fatal(err)
	}
}
