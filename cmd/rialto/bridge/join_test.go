package bridge_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/realtime"
	"github.com/rialto-live/rialto/realtime/ws"
)

// bought writes an order of a show in a state.
func (w *world) bought(id commerce.ShowID, buyer, state string) {
	w.t.Helper()
	w.sell(id, 3)
	_, err := w.db.Exec(w.t.Context(), `
		with h as (
			insert into hold (id, pool, buyer, quantity, state, unit_minor, currency, expires_at)
			select gen_random_uuid(), id, $2, 1, 'paying', 4900, 'EUR', now() from pool where show = $1 order by id desc limit 1 returning id)
		insert into orders (id, hold, show, buyer, email, name, state, total_minor, goods_minor, currency)
		select gen_random_uuid(), id, $1, $2, 'vic@example.com', 'Vic', $3, 4900, 4900, 'EUR' from h`, id, buyer, state)
	w.must(err)
}

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	id, ended := w.newShow(w.mara), w.newShow(w.mara)
	w.end(ended)
	vic := w.signUp("vic")
	operator, err := w.accounts.CreateOperator(t.Context(), "olga@example.com", "Olga", "market-on-a-bridge")
	w.must(err)
	olga, err := w.accounts.SignIn(t.Context(), operator.Email, "market-on-a-bridge")
	w.must(err)
	guest, guestCookie := w.guest()
	banned, bannedCookie := w.guest()
	w.ban(id, banned, false)
	buyer, buyerCookie := w.guest()
	w.bought(id, buyer, "captured")
	pending, pendingCookie := w.guest()
	w.bought(id, pending, "pending")
	name := func(guest string) string { return "Guest " + guest[len(guest)-4:] }
	as := func(s account.Session, name string, role realtime.Role) ws.Identity {
		return ws.Identity{Subject: s.Account.ID.String(), Session: s.ID.String(), Name: name, Role: role}
	}
	for _, c := range []struct {
		name string
		room string
		from http.Header
		who  ws.Identity
		want error
	}{
		{"nobody known", id.String(), http.Header{}, ws.Identity{}, nil},
		{"a guest", id.String(), guestCookie, ws.Identity{Subject: guest, Name: name(guest)}, nil},
		{"an account", id.String(), cookies(vic), as(vic, "vic", realtime.RoleViewer), nil},
		{"the creator", id.String(), cookies(w.mara), as(w.mara, "mara", realtime.RoleHost), nil},
		{"an operator", id.String(), cookies(olga), as(olga, "Olga", realtime.RoleModerator), nil},
		{"a buyer", id.String(), buyerCookie, ws.Identity{Subject: buyer, Name: name(buyer), Role: realtime.RoleBuyer}, nil},
		{"a buyer, in another show", ended.String(), buyerCookie, ws.Identity{Subject: buyer, Name: name(buyer)}, nil},
		{"somebody who is paying", id.String(), pendingCookie, ws.Identity{Subject: pending, Name: name(pending)}, nil},
		{"somebody banned", id.String(), bannedCookie, ws.Identity{}, ws.ErrForbidden},
		{"an ended show keeps its page", ended.String(), guestCookie, ws.Identity{Subject: guest, Name: name(guest)}, nil},
		{"an unknown show", commerce.NewID[commerce.ShowID]().String(), guestCookie, ws.Identity{}, ws.ErrUnknownRoom},
		{"no show at all", "control", guestCookie, ws.Identity{}, ws.ErrUnknownRoom},
	} {
		who, err := w.door.Authenticate(t.Context(), ws.Hello{Room: realtime.RoomID(c.room), Header: c.from})
		if !errors.Is(err, c.want) || err == nil && who != c.who {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, who, err, c.who, c.want)
		}
	}
}

// TestRoomTickets: a ticket goes before cookies, and is judged as strictly.
func TestRoomTickets(t *testing.T) {
	w := newWorld(t)
	id := w.newShow(w.mara)
	vic, gone := w.signUp("vic"), w.signUp("gone")
	w.must(w.accounts.SignOut(t.Context(), gone.ID))
	guest, guestCookie := w.guest()
	banned, _ := w.guest()
	w.ban(id, banned, false)
	ticket := func(kind guard.Kind, subject, session string, life time.Duration) string {
		return w.ticket(guard.Claims{Kind: kind, Subject: subject, Session: session, Expires: time.Now().Add(life).Unix()})
	}
	mine := func(s account.Session) string {
		return ticket(guard.Room, s.Account.ID.String(), s.ID.String(), time.Minute)
	}
	for _, c := range []struct {
		name, token string
		who         ws.Identity
		code        realtime.Code // 0: let in
	}{
		{"of a guest", ticket(guard.Room, guest, "", time.Minute), ws.Identity{Subject: guest, Name: "Guest " + guest[len(guest)-4:]}, 0},
		{"of an account", mine(vic), ws.Identity{Subject: vic.Account.ID.String(), Session: vic.ID.String(), Name: "vic"}, 0},
		{"of the creator", mine(w.mara), ws.Identity{
			Subject: w.mara.Account.ID.String(), Session: w.mara.ID.String(), Name: "mara", Role: realtime.RoleHost,
		}, 0},
		{"of somebody banned", ticket(guard.Room, banned, "", time.Minute), ws.Identity{}, realtime.CodeForbidden},
		{"of somebody who signed out", mine(gone), ws.Identity{}, realtime.CodeSignedOut},
		{"of an account, without a session", ticket(guard.Room, vic.Account.ID.String(), "", time.Minute), ws.Identity{}, realtime.CodeSignedOut},
		{"of nobody", ticket(guard.Room, "", "", time.Minute), ws.Identity{}, realtime.CodeSignedOut},
		{"of yesterday", ticket(guard.Room, guest, "", -time.Minute), ws.Identity{}, realtime.CodeSignedOut},
		{"for something else", ticket(guard.Guest, guest, "", time.Minute), ws.Identity{}, realtime.CodeSignedOut},
		{"made up", "ticket", ws.Identity{}, realtime.CodeSignedOut},
	} {
		who, err := w.door.Authenticate(t.Context(), ws.Hello{Room: room(id), Token: c.token, Header: guestCookie})
		var refused *realtime.CloseError
		if errors.As(err, &refused) != (c.code != 0) || c.code == 0 && err != nil || refused != nil && refused.Code != c.code || who != c.who {
			t.Errorf("a ticket %s: %+v %v, want %+v %v", c.name, who, err, c.who, c.code)
		}
	}
}
