package bridge_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/community"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/show"
	"github.com/rialto-live/rialto/media"
	"github.com/rialto-live/rialto/media/whip"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// judged is one case of the door.
type judged struct {
	name  string
	ask   whip.Request
	grant media.Grant // when want is nil
	want  error
}

func (w *world) judge(cases []judged) {
	w.t.Helper()
	for _, c := range cases {
		got, err := w.door.Authorize(w.t.Context(), c.ask)
		switch {
		case !errors.Is(err, c.want):
			w.t.Errorf("%s: %v, want %v", c.name, err, c.want)
		case err == nil && got != c.grant:
			w.t.Errorf("%s: granted %+v, want %+v", c.name, got, c.grant)
		case err != nil && got.Rights&(media.RightPublish|media.RightWatch) != 0 && c.want == nil:
			w.t.Errorf("%s: an error and a right at once", c.name)
		}
	}
}

func TestPublishByKey(t *testing.T) {
	w := newWorld(t)
	id, other, ended, unknown := w.newShow(w.mara), w.newShow(w.mara), w.newShow(w.mara), commerce.NewID[commerce.ShowID]()
	old := w.rotate(id)
	key, otherKey, endedKey := w.rotate(id), w.rotate(other), w.rotate(ended)
	w.end(ended)
	creator := media.Grant{Subject: w.mara.Account.ID.String(), KeyGeneration: 2, Rights: media.RightPublish}
	w.judge([]judged{
		{"the key", publish(id, key), creator, nil},
		{"the key before", publish(id, old), media.Grant{}, whip.ErrUnauthorized},
		{"another show's key", publish(id, otherKey), media.Grant{}, whip.ErrUnauthorized},
		{"a key that was never made", publish(id, "sk_"+strings.Repeat("a", len(key)-3)), media.Grant{}, whip.ErrUnauthorized},
		{"a short key", publish(id, "sk_"), media.Grant{}, whip.ErrUnauthorized},
		{"the key in capitals", publish(id, "sk_"+strings.ToUpper(key[3:])), media.Grant{}, whip.ErrUnauthorized},
		{"an ended show", publish(ended, endedKey), media.Grant{}, whip.ErrEnded},
		{"an unknown show", publish(unknown, key), media.Grant{}, whip.ErrUnknownStream},
		{"no show at all", whip.Request{Stream: "kitchen", Action: whip.Publish, Bearer: key}, media.Grant{}, whip.ErrUnknownStream},
		{"a product", whip.Request{Stream: "prd_" + media.StreamID(strings.Repeat("1", 32)), Action: whip.Publish, Bearer: key}, media.Grant{}, whip.ErrUnknownStream},
	})
}

func TestPublishByTicket(t *testing.T) {
	w := newWorld(t)
	id, other, ended, unknown := w.newShow(w.mara), w.newShow(w.mara), w.newShow(w.mara), commerce.NewID[commerce.ShowID]()
	w.end(ended)
	rival := w.signUp("rival", account.Creator)
	operator, err := w.accounts.CreateOperator(t.Context(), "ada@example.com", "Ada", "market-on-a-bridge")
	w.must(err)
	ada, err := w.accounts.SignIn(t.Context(), "ada@example.com", "market-on-a-bridge")
	w.must(err)
	left, err := w.accounts.SignIn(t.Context(), "mara@example.com", "market-on-a-bridge")
	w.must(err)
	before := w.studio(left, id)
	w.must(w.accounts.SignOut(t.Context(), left.ID))
	subject, session := w.mara.Account.ID.String(), w.mara.ID.String()
	w.judge([]judged{
		{"the studio", publish(id, w.studio(w.mara, id)), media.Grant{Subject: subject, Session: session, Rights: media.RightPublish}, nil},
		{"a ticket of another show", publish(id, w.studio(w.mara, other)), media.Grant{}, whip.ErrUnauthorized},
		{"a ticket from before the sign-out", publish(id, before), media.Grant{}, whip.ErrUnauthorized},
		{"a ticket that has run out", publish(id, w.ticket(guard.Claims{
			Subject: subject, Session: session, Show: id.String(), Expires: time.Now().Add(-time.Minute).Unix(),
		})), media.Grant{}, whip.ErrUnauthorized},
		{"a ticket of no session", publish(id, w.ticket(guard.Claims{Subject: subject, Show: id.String()})), media.Grant{}, whip.ErrUnauthorized},
		{"another creator", publish(id, w.studio(rival, id)), media.Grant{}, whip.ErrForbidden},
		{"an operator", publish(id, w.ticket(guard.Claims{
			Subject: operator.ID.String(), Session: ada.ID.String(), Show: id.String(),
		})), media.Grant{}, whip.ErrForbidden},
		{"a guest's cookie as a ticket", publish(id, w.ticket(guard.Claims{
			Kind: guard.Guest, Subject: subject, Session: session, Show: id.String(),
		})), media.Grant{}, whip.ErrUnauthorized},
		{"a guest's ticket", publish(id, w.ticket(guard.Claims{
			Subject: commerce.NewID[commerce.GuestID]().String(), Session: session, Show: id.String(),
		})), media.Grant{}, whip.ErrForbidden},
		{"a changed ticket", publish(id, w.studio(w.mara, id)+"x"), media.Grant{}, whip.ErrUnauthorized},
		{"words", publish(id, "let me in"), media.Grant{}, whip.ErrUnauthorized},
		{"the session's own cookie", publish(id, w.mara.Secret), media.Grant{}, whip.ErrUnauthorized},
		{"an ended show", publish(ended, w.studio(w.mara, ended)), media.Grant{}, whip.ErrEnded},
		{"an unknown show", publish(unknown, w.studio(w.mara, unknown)), media.Grant{}, whip.ErrUnknownStream},
	})
}

func (w *world) ban(id commerce.ShowID, subject string, all bool) {
	w.t.Helper()
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		_, err := community.Impose(ctx, tx, w.mara.Account, s, community.Wish{Subject: subject}, all)
		return err
	})
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	id, other, ended := w.newShow(w.mara), w.newShow(w.mara), w.newShow(w.mara)
	w.end(ended)
	vic := w.signUp("vic")
	guest, guestCookie := w.guest()
	banned, bannedCookie := w.guest()
	everywhere, everywhereCookie := w.guest()
	w.ban(id, banned, false)
	w.ban(id, everywhere, true)
	changed := http.Header{"Cookie": {bannedCookie.Get("Cookie") + "x"}}
	nobody := media.Grant{Rights: media.RightWatch}
	w.judge([]judged{
		{"nobody known", watch(id, http.Header{}), nobody, nil},
		{"a guest", watch(id, guestCookie), media.Grant{Subject: guest, Rights: media.RightWatch}, nil},
		{"an account", watch(id, cookies(vic)), media.Grant{Subject: vic.Account.ID.String(), Session: vic.ID.String(), Rights: media.RightWatch}, nil},
		{"a forged cookie", watch(id, changed), nobody, nil},
		{"somebody banned", watch(id, bannedCookie), media.Grant{}, whip.ErrForbidden},
		{"somebody banned here, elsewhere", watch(other, bannedCookie), media.Grant{Subject: banned, Rights: media.RightWatch}, nil},
		{"somebody banned everywhere", watch(other, everywhereCookie), media.Grant{}, whip.ErrForbidden},
		{"an ended show", watch(ended, guestCookie), media.Grant{}, whip.ErrEnded},
		{"an unknown show", watch(commerce.NewID[commerce.ShowID](), guestCookie), media.Grant{}, whip.ErrUnknownStream},
	})
	w.must(w.accounts.SignOut(t.Context(), vic.ID))
	w.judge([]judged{{"an account that has signed out", watch(id, cookies(vic)), nobody, nil}})
	w.on(id, func(ctx context.Context, tx pgx.Tx, s show.Show) error {
		return community.Lift(ctx, tx, w.mara.Account, s, banned)
	})
	w.judge([]judged{{"a ban that was lifted", watch(id, bannedCookie), media.Grant{Subject: banned, Rights: media.RightWatch}, nil}})
}

func TestDoorWithoutPostgresSaysLater(t *testing.T) {
	w := newWorld(t)
	id := w.newShow(w.mara)
	key, ticket := w.rotate(id), w.studio(w.mara, id)
	w.db.Close()
	w.judge([]judged{
		{"a key", publish(id, key), media.Grant{}, whip.ErrUnavailable},
		{"a ticket", publish(id, ticket), media.Grant{}, whip.ErrUnavailable},
		{"a viewer", watch(id, cookies(w.mara)), media.Grant{}, whip.ErrUnavailable},
		{"a word, which needs no Postgres", publish(id, "word"), media.Grant{}, whip.ErrUnauthorized},
	})
	_, err := w.door.Authenticate(t.Context(), ws.Hello{Room: realtime.RoomID(id.String()), Header: http.Header{}})
	if refused := (*realtime.CloseError)(nil); err == nil || errors.As(err, &refused) {
		t.Errorf("a join without Postgres: %v; want an error that says come again", err)
	}
}
