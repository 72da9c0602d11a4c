package api_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/account"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/guard"
	"github.com/rialto-live/rialto/commerce/schema"
	"github.com/rialto-live/rialto/commerce/show"
)

// everyEdit is each way to change a show, with what succeeds for its creator.
func everyEdit(id, subject string) []struct {
	method, path string
	body         any
} {
	return []struct {
		method, path string
		body         any
	}{
		{"PUT", "/shows/" + id, map[string]any{"title": "Taken over"}},
		{"PUT", "/shows/" + id + "/pin", map[string]any{"product": nil}},
		{"POST", "/shows/" + id + "/publish-ticket", nil},
		{"GET", "/shows/" + id + "/stream-key", nil},
		{"POST", "/shows/" + id + "/stream-key", nil},
		{"PUT", "/shows/" + id + "/bans/" + subject, map[string]any{"reason": "spam"}},
		{"DELETE", "/shows/" + id + "/bans/" + subject, nil},
		{"POST", "/shows/" + id + "/end", nil},
	}
}

func TestWrongPersonChangesNothing(t *testing.T) {
	s := newSite(t)
	mara, _ := s.signUp("mara", "creator")
	id := mara.newShow()
	rival, _ := s.signUp("rival", "creator")
	guest := s.browser()
	subject := guest.want(200, "", "GET", "/me", nil).body["subject"].(string)
	before := mara.want(200, "", "GET", "/shows/"+id, nil)
	rows := s.outbox("true")
	for _, e := range everyEdit(id, subject) {
		rival.want(403, "forbidden", e.method, e.path, e.body)
		guest.want(401, "signed_out", e.method, e.path, e.body)
	}
	if after := mara.want(200, "", "GET", "/shows/"+id, nil); string(after.raw) != string(before.raw) || s.outbox("true") != rows {
		t.Errorf("changed: %s -> %s", before.raw, after.raw)
	}
	unknown := commerce.NewID[commerce.ShowID]().String()
	for _, e := range everyEdit(unknown, subject)[1:] {
		mara.want(404, "show_unknown", e.method, e.path, e.body)
	}
	for _, e := range everyEdit(id, subject) { // the list itself is right
		if r := mara.do(e.method, e.path, e.body); r.status >= 300 {
			t.Errorf("the creator's %s %s: %d %s", e.method, e.path, r.status, r.raw)
		}
	}
}

func TestShowOverHTTP(t *testing.T) {
	s := newSite(t)
	viewer, _ := s.signUp("vic")
	viewer.want(403, "not_creator", "PUT", "/shows/"+commerce.NewID[commerce.ShowID]().String(), map[string]any{"title": "T"})
	mara, account := s.signUp("mara", "creator")
	id := commerce.NewID[commerce.ShowID]().String()
	in := map[string]any{"title": " Mara's kitchen ", "description": "Pans"}
	in["starts_at"] = time.Now().Add(time.Hour).Format(time.RFC3339)
	made := mara.want(201, "", "PUT", "/shows/"+id, in)
	again := mara.want(200, "", "PUT", "/shows/"+id, in)
	if string(made.raw) != string(again.raw) || s.outbox(`lane = 'event'`) != 1 {
		t.Errorf("the same again: %s, then %s, %d events", made.raw, again.raw, s.outbox(`lane = 'event'`))
	}
	creator := made.body["creator"].(map[string]any)
	if made.body["title"] != "Mara's kitchen" || made.body["state"] != "scheduled" || made.body["on_air"] != false || creator["id"] != account ||
		creator["name"] != "mara" || !strings.HasSuffix(made.body["starts_at"].(string), "Z") || made.body["poster"] != nil {
		t.Errorf("show: %s", made.raw)
	}
	for code, change := range map[string]map[string]any{
		"title_invalid": {"title": strings.Repeat("x", show.MaxTitle+1)}, "description_invalid": {"description": strings.Repeat("x", show.MaxDescription+1)},
		"starts_at_invalid": {"starts_at": "2099-01-01T00:00:00Z"},
	} {
		bad := map[string]any{"title": "T"}
		for k, v := range change {
			bad[k] = v
		}
		mara.want(422, code, "PUT", "/shows/"+id, bad)
	}
	lists := map[string]int{"/shows?state=upcoming": 1, "/shows": 0, "/shows?state=live": 0, "/shows?state=ended": 0, "/shows/mine": 1}
	for path, want := range lists {
		if r := mara.want(200, "", "GET", path, nil); len(r.body["shows"].([]any)) != want || r.body["next"] != nil {
			t.Errorf("%s: %s", path, r.raw)
		}
	}
	ended := mara.want(200, "", "POST", "/shows/"+id+"/end", nil)
	if ended.body["state"] != "ended" || ended.body["ended_at"] == nil {
		t.Errorf("ended: %s", ended.raw)
	}
	if twice := mara.want(200, "", "POST", "/shows/"+id+"/end", nil); string(twice.raw) != string(ended.raw) {
		t.Errorf("ended twice: %s", twice.raw)
	}
	if n := s.outbox(`lane = 'control' and payload->>'op' = 'close' and payload->>'show' = $1`, id); n != 1 {
		t.Errorf("%d orders to close, want 1", n)
	}
	for _, e := range everyEdit(id, commerce.NewID[commerce.GuestID]().String())[:5] {
		mara.want(409, "show_ended", e.method, e.path, e.body)
	}
}

func TestTicketAndKey(t *testing.T) {
	s := newSite(t)
	mara, account := s.signUp("mara", "creator")
	id := mara.newShow()
	show1, err := commerce.Parse[commerce.ShowID](id)
	if err != nil {
		t.Fatal(err)
	}
	ticket := mara.want(200, "", "POST", "/shows/"+id+"/publish-ticket", nil)
	claims, err := s.signer.Verify(guard.Publish, ticket.body["token"].(string))
	if err != nil || claims.Subject != account || claims.Show != id || !strings.HasPrefix(claims.Session, "ses_") {
		t.Errorf("ticket %+v, %v", claims, err)
	}
	if at, _ := time.Parse(time.RFC3339, ticket.body["expires_at"].(string)); at.Unix() != claims.Expires || time.Until(at) > 5*time.Minute {
		t.Errorf("expires %v", ticket.body)
	}
	if ticket.body["whip_url"] != "https://media.test/whip/"+id {
		t.Errorf("whip_url %v", ticket.body)
	}
	check := func(key string) (int, error) {
		p, err := show.CheckKey(t.Context(), s.pool, show1, key)
		return p.Generation, err
	}
	first := mara.want(200, "", "GET", "/shows/"+id+"/stream-key", nil)
	key := first.body["key"].(string)
	if generation, err := check(key); generation != 1 || err != nil {
		t.Errorf("first key: %d, %v", generation, err)
	}
	if second := mara.want(200, "", "GET", "/shows/"+id+"/stream-key", nil); second.body["key"] != nil || second.body["hint"] != "sk_…"+key[len(key)-4:] {
		t.Errorf("read again: %s", second.raw)
	}
	rotated := mara.want(200, "", "POST", "/shows/"+id+"/stream-key", nil)
	if generation, err := check(rotated.body["key"].(string)); generation != 2 || err != nil {
		t.Errorf("rotated key: %d, %v", generation, err)
	}
	if _, err := check(key); err == nil {
		t.Error("the old key still opens")
	}
	n := s.outbox(`lane = 'control' and payload->>'op' = 'revoke' and payload->>'show' = $1 and (payload->>'key_generation_below')::int = 2`, id)
	if n != 1 {
		t.Errorf("%d orders to end publishes with the old key", n)
	}
}

func TestPinOverHTTP(t *testing.T) {
	s := newSite(t)
	mara, owner := s.signUp("mara", "creator", "brand")
	id := mara.newShow()
	product, variant := commerce.NewID[commerce.ProductID](), commerce.NewID[commerce.VariantID]()
	mara.want(409, "product_not_listed", "PUT", "/shows/"+id+"/pin", map[string]any{"product": product})
	by, err := commerce.Parse[commerce.AccountID](owner)
	if err != nil {
		t.Fatal(err)
	}
	showID, _ := commerce.Parse[commerce.ShowID](id)
	err = schema.InTx(t.Context(), s.pool, func(ctx context.Context, tx pgx.Tx, _ time.Time) error {
		if _, err := catalog.Save(ctx, tx, catalog.Edit{ID: product, Owner: by, Title: "Copper pan", Variants: []catalog.Variant{{ID: variant, Amount: 4900, Currency: "EUR"}}}); err != nil {
			return err
		}
		locked, err := show.Lock(ctx, tx, showID)
		if err != nil {
			return err
		}
		_, err = show.AddProduct(ctx, tx, locked, product)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pins := func() int { return s.outbox(`lane = 'event' and payload->>'t' = 'pin.set'`) }
	mara.want(204, "", "PUT", "/shows/"+id+"/pin", map[string]any{"product": product})
	mara.want(204, "", "PUT", "/shows/"+id+"/pin", map[string]any{"product": product})
	if pins() != 1 {
		t.Errorf("%d pin.set after pinning the same twice", pins())
	}
	mara.want(204, "", "PUT", "/shows/"+id+"/pin", map[string]any{"product": nil})
	if pins() != 2 {
		t.Errorf("%d pin.set after unpinning", pins())
	}
	pressed := time.Now().Add(-time.Second).UnixMilli()
	mara.want(204, "", "PUT", "/shows/"+id+"/pin", map[string]any{"product": product, "pinned_at": pressed})
	if s.outbox(`lane = 'event' and payload->>'t' = 'pin.set' and payload->'d'->>'pinned_at' = '`+strconv.FormatInt(pressed, 10)+`'`) != 1 {
		t.Error("the moment the creator pressed is not told")
	}
	mara.want(422, "invalid", "PUT", "/shows/"+id+"/pin", map[string]any{"product": nil, "pinned_at": "now"})
	mara.want(422, "invalid", "PUT", "/shows/"+id+"/pin", map[string]any{})
	mara.want(422, "invalid", "PUT", "/shows/"+id+"/pin", map[string]any{"product": "prd_x"})
}

func TestBanOverHTTP(t *testing.T) {
	s := newSite(t)
	mara, self := s.signUp("mara", "creator")
	id := mara.newShow()
	_, vic := s.signUp("vic")
	operator, err := account.New(s.pool, account.NewHasher(), nil).CreateOperator(t.Context(), "op@example.com", "Op", password)
	if err != nil {
		t.Fatal(err)
	}
	op := s.browser()
	op.want(201, "", "POST", "/sessions", map[string]any{"email": "op@example.com", "password": password})

	path := "/shows/" + id + "/bans/"
	r := mara.want(200, "", "PUT", path+vic, map[string]any{"reason": "spam"})
	if r.body["show"] != id || r.body["subject"] != vic || r.body["reason"] != "spam" {
		t.Errorf("ban: %s", r.raw)
	}
	if all := op.want(200, "", "PUT", path+vic, map[string]any{"all_shows": true}); all.body["show"] != nil {
		t.Errorf("ban from all: %s", all.raw)
	}
	mara.want(409, "not_bannable", "PUT", path+self, map[string]any{})
	mara.want(409, "not_bannable", "PUT", path+operator.ID.String(), map[string]any{})
	mara.want(404, "account_unknown", "PUT", path+commerce.NewID[commerce.AccountID]().String(), map[string]any{})
	mara.want(422, "subject_invalid", "PUT", path+"nobody", map[string]any{})
	mara.want(422, "reason_invalid", "PUT", path+vic, map[string]any{"reason": strings.Repeat("x", 501)})
	mara.want(200, "", "PUT", path+vic, map[string]any{"reason": strings.Repeat("x", 500)})
	op.want(204, "", "DELETE", path+vic, nil)
	op.want(204, "", "DELETE", path+vic, nil)
	op.want(403, "not_creator", "PUT", "/shows/"+id, map[string]any{"title": "An operator is not the creator"})
}
