package main

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/realtime"
)

// pair is two nodes on the same stores that know of each other.
func (m *market) pair(change ...func(*Config)) (a, b *running) {
	m.t.Helper()
	a, b = m.node(change...), m.node(change...)
	know(a, b)
	return a, b
}

// know waits until two nodes have heard of each other.
func know(a, b *running) {
	a.market.t.Helper()
	eventually(a.market.t, "two nodes know each other", func() bool {
		_, ab := a.nodes.NodeURL(b.nodes.id)
		_, ba := b.nodes.NodeURL(a.nodes.id)
		return ab && ba
	})
}

// answers posts an offer and gives the status and where it is sent on to. The offer is none: a node that knows
// where a stream lives does not read it.
func (p *person) answers(path, token string) (status int, location string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.url+path, bytes.NewReader([]byte("v=0\r\n")))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/sdp")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode, answer.Header.Get("Location")
}

// quickly measures how long it takes from an order of somebody until all of what it ends has ended.
func quickly(t *testing.T, what string, order func(), ends ...<-chan struct{}) {
	t.Helper()
	began := time.Now()
	order()
	for i, end := range ends {
		select {
		case <-end:
		case <-time.After(patience):
			t.Fatalf("%s: number %d goes on", what, i)
		}
	}
	took := time.Since(began)
	t.Logf("%s: all ended within %s of the request", what, took.Round(time.Millisecond))
	if took >= revokedWithin {
		t.Errorf("%s took %s, promised are %s", what, took, revokedWithin)
	}
}

func (s *seat) closedWith(want realtime.Code) {
	s.t.Helper()
	if got := realtime.Code(s.ended()); got != want {
		s.t.Errorf("the room closed with %d (%s), want %s", got, got, want)
	}
}

// refused asks for a seat and must not get it.
func (p *person) refused(show string, want realtime.Code) {
	p.t.Helper()
	s := p.dial(show)
	select {
	case <-s.done:
	case <-time.After(patience):
		p.t.Fatal("the room lets me in")
	}
	s.closedWith(want)
}

func TestWhatHappensOnOneNodeReachesTheOthers(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 2)
	here, there := a.guest().join(pan.show), b.guest().join(pan.show)

	mara.want(http.StatusNoContent, "", http.MethodPut, "/shows/"+pan.show+"/pin", map[string]any{"product": pan.product})
	b.guest().hold(pan, 1)
	a.guest().hold(pan, 1) // each node's gate sees what the other has admitted
	for _, page := range []*seat{here, there} {
		page.left(pan.variant, 0)
		page.await("the pan is pinned", func(s *seat) bool {
			var pin struct{ Product string }
			return s.now("pin.set", "pin", &pin) && pin.Product == pan.product
		})
		page.orderly()
	}
	for _, n := range []*running{a, b} {
		n.guest().want(http.StatusConflict, "sold_out", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
	}
	a.market.clean(b)
}

func TestMediaIsFoundFromEveryNode(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	page := b.guest().join(show)
	mara.goLive(show)
	page.onAir(true)

	status, location := b.guest().answers("/whep/"+show, "")
	if status != http.StatusTemporaryRedirect || location != a.url+"/whep/"+show {
		t.Errorf("watching at the other node: %d to %q, want 307 to %s", status, location, a.url)
	}
	viewer := b.guest().watch(show)
	sees(t, viewer, 10)

	// A studio whose page came from the other node is told where the show is, and is sent there at the door too.
	url, token := mara.at(b).ticket(show)
	if url != a.url+"/whip/"+show {
		t.Errorf("the studio is sent to %q, the origin is %s", url, a.url)
	}
	status, location = b.guest().answers("/whip/"+show, token)
	if status != http.StatusTemporaryRedirect || location != a.url+"/whip/"+show {
		t.Errorf("publishing at the other node: %d to %q, want 307 to %s", status, location, a.url)
	}
	if status, _ := b.guest().answers("/whip/"+show, "sk_"+strings.Repeat("a", 52)); status != http.StatusUnauthorized {
		t.Errorf("a wrong key is told %d, and so where the show is", status)
	}
	// The same creator again, through the other node: a takeover, and viewers stay.
	publish(t, b.url+"/whip/"+show, token)
	sees(t, viewer, 20)
	if viewer.Err() != nil {
		t.Errorf("the viewer lost its connection: %v", viewer.Err())
	}
}

func TestRotatedKeyEndsItsPublishOnTheOtherNodeAndNotTheStudios(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	byKey, byTicket := mara.newShow(), mara.newShow()
	key := mara.key(byKey)
	encoder := publish(t, a.url+"/whip/"+byKey, key)
	mara.key(byTicket)
	studio := mara.goLive(byTicket)
	page := a.guest().join(byKey)
	page.onAir(true)
	viewer := b.guest().watch(byTicket)
	sees(t, viewer, 5)

	// The bus carries orders in turn: when the second has been carried out, so has the first.
	mara.at(b).want(http.StatusOK, "", http.MethodPost, "/shows/"+byTicket+"/stream-key", nil)
	eventually(t, "the first order is on the bus", func() bool {
		return a.market.count(`select count(*) from outbox where lane = 'control' and done_at is null`) == 0
	})
	quickly(t, "key rotation", func() {
		mara.at(b).want(http.StatusOK, "", http.MethodPost, "/shows/"+byKey+"/stream-key", nil)
	}, encoder.Done())
	sees(t, viewer, 10)
	if err := studio.Err(); err != nil {
		t.Errorf("the studio's own publish ended too: %v", err)
	}
	for _, n := range []*running{a, b} {
		if status, _ := n.guest().answers("/whip/"+byKey, key); status != http.StatusUnauthorized {
			t.Errorf("the old key is told %d", status)
		}
	}
	page.onAir(false) // after the grace time; the room itself stays open
	page.orderly()
}

func TestBanEndsWatchAndRoomsOnBothNodes(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	pan := mara.sell(mara.newShow(), 5)
	mara.goLive(pan.show)
	for name, vic := range map[string]*person{"an account": b.signUp("vic", "viewer"), "a guest": b.guest()} {
		other := mara.sell(mara.newShow(), 2)
		here, there, elsewhere := vic.at(a).join(pan.show), vic.join(pan.show), vic.join(other.show)
		viewer := vic.watch(pan.show)
		sees(t, viewer, 5)
		ban := "/shows/" + pan.show + "/bans/" + vic.subject
		quickly(t, "a ban of "+name, func() {
			mara.want(http.StatusOK, "", http.MethodPut, ban, map[string]any{"reason": "spoils it for others"})
		}, viewer.Done(), here.done, there.done)
		here.closedWith(realtime.CodeForbidden)
		there.closedWith(realtime.CodeForbidden)
		for _, n := range []*running{a, b} {
			vic.at(n).refused(pan.show, realtime.CodeForbidden)
			if status, _ := vic.at(n).answers("/whep/"+pan.show, ""); status != http.StatusForbidden {
				t.Errorf("%s who is banned asks to watch and is told %d", name, status)
			}
			vic.at(n).want(http.StatusForbidden, "banned", http.MethodPut, "/holds/"+newHold(), pan.tap(1))
		}
		// Another show of the same creator is another matter.
		vic.hold(other, 1)
		elsewhere.left(other.variant, 1)
		mara.want(http.StatusNoContent, "", http.MethodDelete, ban, nil)
		vic.join(pan.show)
	}
	a.market.clean(b)
}

func TestSignOutEndsPublishWatchAndRoom(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	_, before := mara.ticket(show)
	studio := mara.goLive(show)
	vic := b.signUp("vic", "viewer")
	page, viewer := vic.join(show), vic.watch(show)
	sees(t, viewer, 5)
	quickly(t, "a viewer's sign-out", func() {
		vic.want(http.StatusNoContent, "", http.MethodDelete, "/sessions/current", nil)
	}, viewer.Done(), page.done)
	page.closedWith(realtime.CodeSignedOut)
	if err := studio.Err(); err != nil {
		t.Fatalf("somebody else's publish ended: %v", err)
	}

	here, there := mara.join(show), mara.at(b).join(show)
	quickly(t, "the creator's sign-out", func() {
		mara.at(b).want(http.StatusNoContent, "", http.MethodDelete, "/sessions/current", nil)
	}, studio.Done(), here.done, there.done)
	here.closedWith(realtime.CodeSignedOut)
	there.closedWith(realtime.CodeSignedOut)
	for _, n := range []*running{a, b} {
		if status, _ := n.guest().answers("/whip/"+show, before); status != http.StatusUnauthorized {
			t.Errorf("a ticket from before the sign-out is told %d", status)
		}
	}
}

func TestEndedShowClosesOnBothNodes(t *testing.T) {
	a, b := newMarket(t).pair()
	mara := a.signUp("mara", "creator")
	show := mara.newShow()
	key := mara.key(show)
	studio := mara.goLive(show)
	here, there := a.guest().join(show), b.guest().join(show)
	near, far := a.guest().watch(show), b.guest().watch(show)
	sees(t, near, 5)
	sees(t, far, 5)
	quickly(t, "the end of a show", func() {
		mara.at(b).want(http.StatusOK, "", http.MethodPost, "/shows/"+show+"/end", nil)
	}, studio.Done(), near.Done(), far.Done(), here.done, there.done)
	here.closedWith(realtime.CodeRoomClosed)
	there.closedWith(realtime.CodeRoomClosed)
	for _, n := range []*running{a, b} {
		if status, _ := n.guest().answers("/whep/"+show, ""); status != http.StatusGone {
			t.Errorf("watching an ended show: %d", status)
		}
		if status, _ := n.guest().answers("/whip/"+show, key); status != http.StatusGone {
			t.Errorf("publishing an ended show: %d", status)
		}
	}
	if on := a.market.count(`select count(*) from show where on_air`); on != 0 {
		t.Error("the ended show is on the air")
	}
}

// A node that stops in order hands its viewers on and takes its shows off the air at once.
func TestNodeThatStopsSaysGoodbye(t *testing.T) {
	a, b := newMarket(t).pair(func(c *Config) { c.drain = 500 * time.Millisecond })
	mara := b.signUp("mara", "creator")
	show := mara.newShow()
	key := mara.key(show)
	publisher := publish(t, a.url+"/whip/"+show, key)
	gone, page := a.guest().join(show), b.guest().join(show)
	page.onAir(true)
	a.stop()
	<-gone.done
	gone.closedWith(realtime.CodeReconnect)
	<-publisher.Done()
	page.onAir(false)
	publish(t, b.url+"/whip/"+show, key) // nobody has to wait for entries to lapse
	page.onAir(true)
	sees(t, b.guest().watch(show), 5)
	page.orderly()
}
