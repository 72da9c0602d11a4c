package community_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
	"github.com/rialto-live/rialto/commerce/show"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

type stage struct {
	*testing.T
	pool *pgxpool.Pool
}

func (s stage) person(name string, role account.Role) account.Account {
	s.Helper()
	a := account.Account{ID: commerce.NewID[commerce.AccountID](), Name: name, Roles: []account.Role{role}}
	_, err := s.pool.Exec(s.Context(), `insert into account (id, email, name, roles, password_hash) values ($1, $2, $3, $4, 'none')`, a.ID, name+"@example.com", name, a.Roles)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

func (s stage) show(by account.Account) commerce.ShowID {
	s.Helper()
	id := commerce.NewID[commerce.ShowID]()
	err := schema.InTx(s.Context(), s.pool, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		_, _, err := show.Save(ctx, tx, now, by, show.Edit{ID: id, Title: "T"})
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
	return id
}

func (s stage) ban(by account.Account, id commerce.ShowID, subject, reason string, all bool) (b community.Ban, err error) {
	err = schema.InTx(s.Context(), s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		b, err = community.Impose(ctx, tx, by, sh, community.Wish{Subject: subject, Reason: reason}, all)
		return err
	})
	return b, err
}

func (s stage) lift(by account.Account, id commerce.ShowID, subject string) error {
	return schema.InTx(s.Context(), s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		sh, err := show.Lock(ctx, tx, id)
		if err != nil {
			return err
		}
		return community.Lift(ctx, tx, by, sh, subject)
	})
}

func (s stage) banned(id commerce.ShowID, subject string) bool {
	s.Helper()
	err := community.Check(s.Context(), s.pool, id, subject)
	if err != nil && !errors.Is(err, community.ErrBanned) {
		s.Fatal(err)
	}
	return err != nil
}

func (s stage) orders(id commerce.ShowID, subject string) (n int) {
	s.Helper()
	err := s.pool.QueryRow(s.Context(), `select count(*) from outbox where lane = 'control' and payload->>'op' = 'revoke'
		and payload->>'show' = $1 and payload->>'subject' = $2`, id.String(), subject).Scan(&n)
	if err != nil {
		s.Fatal(err)
	}
	return n
}

func TestBanFromOneShowAndFromAll(t *testing.T) {
	s := stage{t, schematest.Pool(t)}
	mara, rival := s.person("mara", account.Creator), s.person("rival", account.Creator)
	here, there, elsewhere := s.show(mara), s.show(mara), s.show(rival)
	guest := commerce.NewID[commerce.GuestID]().String()
	first, err := s.ban(mara, here, guest, "spam", false)
	if err != nil {
		t.Fatal(err)
	}
	if !s.banned(here, guest) || s.banned(there, guest) || s.banned(elsewhere, guest) || s.banned(here, "") || s.banned(commerce.NewID[commerce.ShowID](), guest) {
		t.Error("banned from this show alone")
	}
	if s.orders(here, guest) != 1 || s.orders(there, guest) != 0 {
		t.Error("one order, for this show")
	}
	again, err := s.ban(mara, here, guest, "more spam", false)
	if err != nil || again.ID != first.ID || !again.Created.Equal(first.Created) || s.orders(here, guest) != 2 {
		t.Errorf("the same again: %+v after %+v, %v; it ends connections again", again, first, err)
	}
	if _, err := s.ban(mara, here, guest, "", true); err != nil {
		t.Fatal(err)
	}
	if !s.banned(here, guest) || !s.banned(there, guest) || s.banned(elsewhere, guest) || s.orders(elsewhere, guest) != 0 || s.orders(there, guest) != 1 {
		t.Error("banned from all shows of this creator, and of nobody else")
	}
	if err := s.lift(mara, there, guest); err != nil { // lifts the one from all; here has its own
		t.Fatal(err)
	}
	if s.banned(there, guest) || !s.banned(here, guest) {
		t.Error("after lifting it there")
	}
	if err := errors.Join(s.lift(mara, here, guest), s.lift(mara, here, guest)); err != nil || s.banned(here, guest) {
		t.Errorf("after lifting it here, twice: %v", err)
	}
}

func TestWhoMayBanWhom(t *testing.T) {
	s := stage{t, schematest.Pool(t)}
	mara, rival := s.person("mara", account.Creator), s.person("rival", account.Creator)
	operator, viewer := s.person("op", account.Operator), s.person("vic", account.Viewer)
	here := s.show(mara)
	subject := viewer.ID.String()
	for name, c := range map[string]struct {
		by      account.Account
		subject string
		want    error
	}{
		"a viewer": {viewer, rival.ID.String(), show.ErrNotYours}, "a rival": {rival, subject, show.ErrNotYours}, "an operator": {operator, subject, nil},
		"the creator": {mara, subject, nil}, "themselves": {mara, mara.ID.String(), community.ErrCreator},
		"the operator": {mara, operator.ID.String(), community.ErrCreator}, "nobody": {mara, "", community.ErrSubject},
		"a show": {mara, here.String(), community.ErrSubject}, "an unknown account": {mara, commerce.NewID[commerce.AccountID]().String(), account.ErrNoAccount},
	} {
		if _, err := s.ban(c.by, here, c.subject, "", false); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := s.lift(rival, here, subject); !errors.Is(err, show.ErrNotYours) || !s.banned(here, subject) {
		t.Errorf("lifted by a rival: %v", err)
	}
	if err := s.lift(operator, here, subject); err != nil || s.banned(here, subject) {
		t.Errorf("lifted by an operator: %v", err)
	}
}

// TestWhoLeadsAllShows: a moderator of one show reaches no other, neither to ban nor to lift, and so cannot take away who
// keeps order there.
func TestWhoLeadsAllShows(t *testing.T) {
	w := newHall(t)
	elsewhere := w.show(w.mara)
	subject, everywhere := guest(), guest()
	moderates := func() int {
		return w.count(`select count(*) from show_moderator where show = $1 and account = $2`, elsewhere, w.vic.ID)
	}
	w.must(w.tx(func(ctx context.Context, tx pgx.Tx) error {
		s, err := show.Lock(ctx, tx, elsewhere)
		return errors.Join(err, community.AddModerator(ctx, tx, w.mara, s, "vic@example.com"))
	}))
	if _, err := w.ban(w.mod, w.id, w.vic.ID.String(), "", true); !errors.Is(err, show.ErrNotYours) || w.banned(elsewhere, w.vic.ID.String()) || moderates() != 1 {
		t.Errorf("a moderator bans from all shows: %v", err)
	}
	_, err := w.ban(w.mod, w.id, subject, "", false)
	w.must(err)
	for _, by := range []account.Account{w.mara, w.operator} {
		_, err = w.ban(by, w.id, everywhere, by.Name, true)
		w.must(err)
	}
	if err := w.lift(w.mod, w.id, everywhere); !errors.Is(err, show.ErrNotYours) || !w.banned(w.id, everywhere) || !w.banned(elsewhere, everywhere) {
		t.Errorf("a moderator lifts a ban from all shows: %v", err)
	}
	w.must(w.lift(w.mod, w.id, subject))
	w.must(w.lift(w.operator, w.id, everywhere))
	if w.banned(w.id, subject) || w.banned(w.id, everywhere) || w.banned(elsewhere, everywhere) {
		t.Error("they are banned all the same")
	}
	// A ban takes away what it finds, also when it is the same again.
	vic := w.vic.ID.String()
	_, err = w.ban(w.mara, w.id, vic, "", true)
	w.must(err)
	_, err = w.pool.Exec(t.Context(), `insert into show_moderator (show, account) values ($1, $2)`, elsewhere, w.vic.ID)
	w.must(err)
	if _, err = w.ban(w.mara, w.id, vic, "", true); err != nil || moderates() != 0 {
		t.Errorf("banned again: %v, %d", err, moderates())
	}
}

func TestLimitsOfBans(t *testing.T) {
	s := stage{t, schematest.Pool(t)}
	mara := s.person("mara", account.Creator)
	here := s.show(mara)
	guest := func() string { return commerce.NewID[commerce.GuestID]().String() }
	if _, err := s.ban(mara, here, guest(), strings.Repeat("ü", community.MaxReason), false); err != nil {
		t.Errorf("reason at the limit: %v", err)
	}
	for _, reason := range []string{strings.Repeat("ü", community.MaxReason+1), "a\x00", "\xff"} {
		if _, err := s.ban(mara, here, guest(), reason, false); !errors.Is(err, community.ErrReason) {
			t.Errorf("reason %.5q: %v", reason, err)
		}
	}
	_, err := s.pool.Exec(t.Context(), `insert into ban (id, creator, show, subject, reason, made_by)
		select gen_random_uuid(), $1, $2, 'gst_' || lpad(to_hex(n), 32, '0'), '', $1 from generate_series(1, $3::int) n`, mara.ID, here, community.MaxBans-2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ban(mara, here, guest(), "", false); err != nil {
		t.Errorf("at the limit: %v", err)
	}
	last := guest()
	if _, err := s.ban(mara, here, last, "", false); !errors.Is(err, community.ErrTooMany) || s.banned(here, last) {
		t.Errorf("one past it: %v", err)
	}
	if _, err := s.ban(mara, s.show(mara), guest(), "", false); err != nil {
		t.Errorf("in another show of the same creator: %v", err)
	}
	if _, err := s.ban(mara, here, last, "", true); err != nil || !s.banned(here, last) {
		t.Errorf("from all shows: %v", err)
	}
}
