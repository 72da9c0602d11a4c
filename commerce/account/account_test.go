package account_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

const password = "market-on-a-bridge"

func newService(t *testing.T) (*account.Service, *pgxpool.Pool) {
	pool := schematest.Pool(t)
	return account.New(pool, account.NewHasher(), nil), pool
}

func fresh(email string) account.NewAccount {
	return account.NewAccount{ID: commerce.NewID[commerce.AccountID](), Email: email, Name: "Mara", Password: password}
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestNormalEmail(t *testing.T) {
	long := strings.Repeat("a", account.MaxEmail-len("@example.com")) + "@example.com"
	for in, want := range map[string]string{
		" Mara@Example.COM ":  "mara@example.com",
		"a.b+c@x.example":     "a.b+c@x.example",
		"me@localhost":        "me@localhost",
		"cafe\u0301@x.org":    "caf\u00e9@x.org", // one spelling of é
		long:                  long,
		"a" + long:            "",
		"mara":                "",
		"@x.org":              "",
		"a@":                  "",
		"a@b@c.org":           "",
		"a b@x.org":           "",
		"Mara <mara@x.org>":   "",
		"<mara@x.org>":        "",
		"a@x.org, b@x.org":    "",
		"a@x.org\nBcc: b@x.y": "",
		"a\x00@x.org":         "",
		"a@host":              "",
		"":                    "",
	} {
		got, err := account.NormalEmail(in)
		if got != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, account.ErrEmail) {
			t.Errorf("%.40q: %.40q, %v", in, got, err)
		}
	}
}

func TestLimits(t *testing.T) {
	s, _ := newService(t)
	for name, c := range map[string]struct {
		change func(*account.NewAccount)
		want   error
	}{
		"name at the limit":     {func(a *account.NewAccount) { a.Name = strings.Repeat("ü", account.MaxName) }, nil},
		"name past it":          {func(a *account.NewAccount) { a.Name = strings.Repeat("ü", account.MaxName+1) }, account.ErrName},
		"name of two lines":     {func(a *account.NewAccount) { a.Name = "a\nb" }, account.ErrName},
		"shortest password":     {func(a *account.NewAccount) { a.Password = strings.Repeat("ü", account.MinPassword) }, nil},
		"shorter":               {func(a *account.NewAccount) { a.Password = strings.Repeat("ü", account.MinPassword-1) }, account.ErrPassword},
		"longest password":      {func(a *account.NewAccount) { a.Password = strings.Repeat("x", account.MaxPassword) }, nil},
		"longer":                {func(a *account.NewAccount) { a.Password = strings.Repeat("x", account.MaxPassword+1) }, account.ErrPassword},
		"operator by sign-up":   {func(a *account.NewAccount) { a.Roles = []account.Role{account.Viewer, account.Operator} }, account.ErrRole},
		"no role there is":      {func(a *account.NewAccount) { a.Roles = []account.Role{"king"} }, account.ErrRole},
		"all roles, some twice": {func(a *account.NewAccount) { a.Roles = []account.Role{"brand", "creator", "viewer", "brand"} }, nil},
		"no id":                 {func(a *account.NewAccount) { a.ID = commerce.AccountID{} }, commerce.ErrID},
	} {
		a := fresh(commerce.NewID[commerce.GuestID]().String() + "@example.com")
		c.change(&a)
		session, err := s.SignUp(t.Context(), a)
		if !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
			continue
		}
		if err != nil {
			continue
		}
		if again, err := s.SignIn(t.Context(), a.Email, a.Password); err != nil || again.Account.ID != a.ID || again.Secret == session.Secret {
			t.Errorf("%s: sign in: %v", name, err)
		}
	}
}

func TestOperatorsAreMadeByTheProgramAlone(t *testing.T) {
	s, pool := newService(t)
	op, err := s.CreateOperator(t.Context(), "Op@example.com", "Op", password)
	if err != nil || !op.Has(account.Operator) {
		t.Fatalf("%+v, %v", op, err)
	}
	if _, err := s.CreateOperator(t.Context(), "op@example.com", "Op", password); !errors.Is(err, account.ErrEmailTaken) {
		t.Errorf("twice: %v", err)
	}
	var sessions int
	if err := pool.QueryRow(t.Context(), `select count(*) from session`).Scan(&sessions); err != nil || sessions != 0 {
		t.Errorf("%d sessions in nobody's hands, %v", sessions, err)
	}
	got, err := account.ByEmail(t.Context(), pool, " OP@example.com")
	if err != nil || got.ID != op.ID || !slices.Contains(got.Roles, account.Operator) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := account.ByEmail(t.Context(), pool, "nobody@example.com"); !errors.Is(err, account.ErrNoAccount) {
		t.Errorf("nobody: %v", err)
	}
}

func TestNothingSecretIsStored(t *testing.T) {
	s, pool := newService(t)
	session, err := s.SignUp(t.Context(), fresh("mara@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{session.Secret, password} {
		var found int
		err := pool.QueryRow(t.Context(), `select (select count(*) from session s where s::text like '%' || $1 || '%')
			+ (select count(*) from account a where a::text like '%' || $1 || '%') + (select count(*) from outbox o where o::text like '%' || $1 || '%')`, secret).Scan(&found)
		if err != nil || found != 0 {
			t.Errorf("found in %d rows, %v", found, err)
		}
	}
}

func TestSessionsRollAndExpire(t *testing.T) {
	s, pool := newService(t)
	session, err := s.SignUp(t.Context(), fresh("mara@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	read := func() (account.Session, error) { return s.Session(t.Context(), session.Secret) }
	age := func(used, created, left string) {
		t.Helper()
		exec(t, pool, `update session set used_at = now() - $1::interval, created_at = now() - $2::interval, expires_at = now() + $3::interval`, used, created, left)
	}
	first, err := read()
	if err != nil || !first.Expires.Equal(session.Expires) || first.Secret != "" {
		t.Fatalf("in use within the hour: %+v, %v", first, err)
	}
	age("2 hours", "10 days", "1 day")
	if rolled, err := read(); err != nil || time.Until(rolled.Expires) < account.SessionLife-time.Minute {
		t.Errorf("in use: expires %v, %v", rolled.Expires, err)
	}
	age("2 hours", "179 days", "1 hour")
	if last, err := read(); err != nil || time.Until(last.Expires) > 24*time.Hour+time.Minute || time.Until(last.Expires) < 23*time.Hour {
		t.Errorf("never older than SessionMax: expires %v, %v", last.Expires, err)
	}
	age("0", "1 day", "0")
	if _, err := read(); !errors.Is(err, account.ErrNoSession) {
		t.Errorf("at its end: %v", err)
	}
	if err := account.SessionOpen(t.Context(), pool, session.ID); !errors.Is(err, account.ErrNoSession) {
		t.Errorf("at its end: %v", err)
	}
	if err := s.DropExpired(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sessions, orders int
	err = pool.QueryRow(t.Context(), `select (select count(*) from session), (select count(*) from outbox where lane = 'control'
		and payload->>'session' = $1)`, session.ID.String()).Scan(&sessions, &orders)
	if err != nil || sessions != 0 || orders != 1 {
		t.Errorf("%d sessions left, %d orders to end its connections, %v", sessions, orders, err)
	}
	for _, secret := range []string{"", "x", session.Secret + "x", strings.Repeat("A", len(session.Secret))} {
		if _, err := s.Session(t.Context(), secret); !errors.Is(err, account.ErrNoSession) {
			t.Errorf("secret %.10q: %v", secret, err)
		}
	}
}

func TestSessionsOfOneAccountAreBounded(t *testing.T) {
	s, pool := newService(t)
	a := fresh("mara@example.com")
	first, err := s.SignUp(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `update session set used_at = now() - interval '1 day'`)
	exec(t, pool, `insert into session (id, account, token_hash, expires_at) select gen_random_uuid(), $1, sha256(n::text::bytea), now() + interval '1 day'
		from generate_series(2, $2::int) n`, a.ID, account.MaxSessions)
	if _, err := s.Session(t.Context(), first.Secret); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	exec(t, pool, `update session set used_at = now() - interval '1 day' where id = $1`, first.ID)
	if _, err := s.SignIn(t.Context(), a.Email, password); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Session(t.Context(), first.Secret); !errors.Is(err, account.ErrNoSession) {
		t.Errorf("one past it ends the least used: %v", err)
	}
	var n int
	if err := pool.QueryRow(t.Context(), `select count(*) from session`).Scan(&n); err != nil || n != account.MaxSessions {
		t.Errorf("%d sessions, %v", n, err)
	}
}

func TestTwoPasswordChangesAtOnce(t *testing.T) {
	s, _ := newService(t)
	session, err := s.SignUp(t.Context(), fresh("mara@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	var won atomic.Int64
	var group errgroup.Group
	for _, next := range []string{"first new password", "second new password"} {
		group.Go(func() error {
			err := s.ChangePassword(t.Context(), session.Account.ID, session.ID, password, next)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, account.ErrCredentials) {
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || won.Load() != 1 {
		t.Errorf("%d won, %v", won.Load(), err)
	}
	nobody := commerce.NewID[commerce.AccountID]()
	if err := s.ChangePassword(t.Context(), nobody, session.ID, password, "a new password"); !errors.Is(err, account.ErrNoAccount) {
		t.Errorf("of nobody: %v", err)
	}
}

// A storm of sign-ins is answered with "busy" beyond a fixed number, and never hashes more than a few at once.
func TestStormOfSignIns(t *testing.T) {
	s, _ := newService(t)
	const storm = account.MaxWaiting * 4
	var busy, wrong atomic.Int64
	var group errgroup.Group
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for range storm {
		group.Go(func() error {
			_, err := s.SignIn(ctx, "nobody@example.com", "wrong password")
			switch {
			case errors.Is(err, account.ErrBusy):
				busy.Add(1)
			case errors.Is(err, account.ErrCredentials):
				wrong.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || busy.Load() == 0 || busy.Load()+wrong.Load() != storm {
		t.Errorf("%d busy, %d wrong of %d, %v", busy.Load(), wrong.Load(), storm, err)
	}
}
