package main

import (
	"net/http"
	"strings"
	"testing"
)

// After a restore the program finds the money of a purchase that is lost, says so, and gives it back when it is told to.
func TestRebuildAsAProgram(t *testing.T) {
	m := newMarket(t)
	n := m.node()
	mara, vic := n.signUp("mara", "creator"), n.guest()
	pan := mara.sell(mara.newShow(), 3)
	for range 2 {
		order := orderPath()
		vic.want(http.StatusCreated, "", http.MethodPut, order, paying(vic.hold(pan, 1), cardGood))
		vic.captured(order)
	}
	n.stop()
	env := []string{"DATABASE_URL=" + m.dsn, "REDIS_URL=" + m.redis.URL(), "RIALTO_SANDBOX=1", "SANDBOX_URL=" + m.bank, "SANDBOX_SECRET=" + sandboxSecret}
	run := func(args ...string) string {
		t.Helper()
		return finish(t, 0, env, append([]string{program(t), "verify", "--rebuild"}, args...)...).out.String()
	}
	if said := run("--yes"); !strings.Contains(said, "2 charges, 2 of them known here, 0 without money; 0 reservations and 0 payments") {
		t.Errorf("nothing is lost, and it says\n%s", said)
	}
	m.exec(`delete from payment where id = (select id from payment order by id limit 1)`)
	back := func() int { return m.count(`select count(*) from sandbox.charge where refunded > 0`) }
	if said := run(); !strings.Contains(said, "to be refunded ch_") || !strings.Contains(said, "--yes") || back() != 0 {
		t.Errorf("asked, it says\n%s", said)
	}
	if said := run("--yes", "--since", "1h"); !strings.Contains(said, "refunded ch_") || !strings.Contains(said, "0 reservations and 1 payments") || back() != 1 {
		t.Errorf("told to, it says\n%s", said)
	}
	if said := run("--yes"); !strings.Contains(said, "1 without money; 0 reservations and 0 payments") || back() != 1 {
		t.Errorf("again, it says\n%s", said)
	}
	for says, wrong := range map[string][]string{
		"--yes needs --rebuild":      {"verify", "--yes"},
		"--since is up to":           {"verify", "--rebuild", "--since", "-1h"},
		"not 4320h0m1s":              {"verify", "--rebuild", "--since", "4320h1s"},
		"takes no":                   {"verify", "--rebuild", "now"},
		"--rebuild asks the payment": {"verify", "--rebuild"},
	} {
		own := env
		if strings.HasPrefix(says, "--rebuild asks") {
			own = env[:2]
		}
		if p := finish(t, exitUsage, own, append([]string{program(t)}, wrong...)...); !strings.Contains(p.err.String(), says) {
			t.Errorf("%v: it says %q", wrong, p.err.String())
		}
	}
}
