package api_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/catalog"
	"github.com/rialto-live/rialto/commerce/drop"
	"github.com/rialto-live/rialto/commerce/show"
)

// market is a shop with a brand that may stock its show.
type market struct {
	*shop
	brand   *browser
	ponte   string // the brand's account
	wok     string
	sizes   []string // its variants
	rival   *browser // a brand that nobody invited
	visitor *browser
}

func newMarket(t *testing.T) *market {
	t.Helper()
	m := &market{shop: newShop(t, 5), wok: newProduct()}
	m.brand, m.ponte = m.signUp("ponte", "brand")
	m.rival, _ = m.signUp("rival", "brand")
	m.visitor = m.browser()
	m.creator.want(200, "", "PUT", "/shows/"+m.show+"/brands", map[string]any{"email": "Ponte@example.com"})
	m.sizes = []string{newVariant(), newVariant()}
	m.brand.want(201, "", "PUT", "/products/"+m.wok, m.goods(5900, 6900))
	return m
}

func newProduct() string { return commerce.NewID[commerce.ProductID]().String() }
func newVariant() string { return commerce.NewID[commerce.VariantID]().String() }
func newDrop() string    { return commerce.NewID[commerce.DropID]().String() }

func (m *market) goods(amounts ...int) map[string]any {
	variants := make([]map[string]any, len(amounts))
	for i, amount := range amounts {
		variants[i] = map[string]any{"id": m.sizes[i], "title": fmt.Sprintf("%d cm", 20+4*i), "price": map[string]any{"amount": amount, "currency": "EUR"}}
	}
	return map[string]any{"title": "Carbon-steel wok", "description": "Thin and quick.", "variants": variants}
}

func (m *market) stock(variant string) string { return "/shows/" + m.show + "/stock/" + variant }
func (m *market) drop(id string) string       { return "/shows/" + m.show + "/drops/" + id }

func units(n int) map[string]any { return map[string]any{"units": n} }

// listed is a variant as the show sells it now, nil when it does not.
func (m *market) listed(variant string) (product, found map[string]any) {
	m.t.Helper()
	r := m.visitor.want(200, "", "GET", "/shows/"+m.show+"/products", nil)
	for _, p := range r.body["products"].([]any) {
		for _, v := range p.(map[string]any)["variants"].([]any) {
			if v.(map[string]any)["id"] == variant {
				return p.(map[string]any), v.(map[string]any)
			}
		}
	}
	return nil, nil
}

func TestBrandStocksAShow(t *testing.T) {
	m := newMarket(t)
	r := m.brand.want(200, "", "PUT", m.stock(m.sizes[1]), units(3))
	if owner := r.body["owner"].(map[string]any); owner["name"] != "ponte" || owner["id"] != m.ponte {
		t.Errorf("%s", r.raw)
	}
	if _, other := m.listed(m.sizes[0]); other["pool"] != nil || other["left"] != 0.0 {
		t.Errorf("units that nobody put there: %v", other)
	}
	before := m.outbox(`payload->>'t' = 'catalog.set'`)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[1]), units(4))
	if p, v := m.listed(m.sizes[1]); v["left"] != 4.0 || v["on_hand"] != 4.0 || p["title"] != "Carbon-steel wok" {
		t.Errorf("%v", p)
	}
	if n := m.outbox(`payload->>'t' = 'catalog.set'`); n != before+1 {
		t.Errorf("%d events, want one more than %d", n, before)
	}
	hold := newHold()
	tap := map[string]any{"show": m.show, "variant": m.sizes[1], "quantity": 2}
	m.visitor.want(201, "", "PUT", "/holds/"+hold, tap)
	m.brand.want(422, "quantity_invalid", "PUT", m.stock(m.sizes[1]), units(1))
	m.brand.want(422, "quantity_invalid", "PUT", m.stock(m.sizes[1]), units(-1))
	m.brand.want(200, "", "PUT", m.stock(m.sizes[1]), units(2))
	m.visitor.want(409, "sold_out", "PUT", "/holds/"+newHold(), tap)
	m.brand.want(404, "product_unknown", "PUT", m.stock(newVariant()), units(1))
	m.brand.want(404, "show_unknown", "PUT", "/shows/"+commerce.NewID[commerce.ShowID]().String()+"/stock/"+m.sizes[0], units(1))

	// Whoever else: not with the brand's product, not without an invitation, not signed out.
	m.creator.want(403, "forbidden", "PUT", m.stock(m.sizes[0]), units(1))
	m.visitor.want(401, "signed_out", "PUT", m.stock(m.sizes[0]), units(1))
	own := newProduct()
	body := m.goods(100)
	body["variants"].([]map[string]any)[0]["id"] = newVariant()
	r = m.rival.want(201, "", "PUT", "/products/"+own, body)
	rivals := r.body["variants"].([]any)[0].(map[string]any)["id"].(string)
	m.rival.want(403, "forbidden", "PUT", m.stock(rivals), units(1))
	// A brand is no creator: it edits nothing but its units.
	m.brand.want(403, "forbidden", "PUT", "/shows/"+m.show+"/pin", map[string]any{"product": m.wok})
	m.brand.want(403, "forbidden", "PUT", m.path(), m.wish(4900, 5))
	m.brand.want(403, "forbidden", "GET", "/shows/"+m.show+"/brands", nil)
	m.brand.want(403, "forbidden", "PUT", "/shows/"+m.show+"/brands", map[string]any{"email": "rival@example.com"})
	m.creator.want(204, "", "PUT", "/shows/"+m.show+"/pin", map[string]any{"product": m.wok})
	m.creator.want(403, "forbidden", "PUT", "/products/"+m.wok, m.goods(1))

	m.creator.want(200, "", "POST", "/shows/"+m.show+"/end", nil)
	m.brand.want(409, "show_ended", "PUT", m.stock(m.sizes[0]), units(1))
	m.brand.want(409, "show_ended", "PUT", m.drop(newDrop()), map[string]any{"variant": m.sizes[1], "opens_at": time.Now().Add(time.Hour)})
	m.creator.want(409, "show_ended", "PUT", "/shows/"+m.show+"/brands", map[string]any{"email": "rival@example.com"})
	m.creator.want(409, "show_ended", "DELETE", "/shows/"+m.show+"/brands/"+m.ponte, nil)
}

// A brand that was removed changes nothing more; what it has put on sale is still bought.
func TestRemovedBrand(t *testing.T) {
	m := newMarket(t)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(3))
	pending := newDrop()
	later := map[string]any{"variant": m.sizes[1], "opens_at": time.Now().Add(time.Hour)}
	m.brand.want(200, "", "PUT", m.stock(m.sizes[1]), units(3))
	m.brand.want(200, "", "PUT", m.drop(pending), later)
	for range 2 {
		m.creator.want(204, "", "DELETE", "/shows/"+m.show+"/brands/"+m.ponte, nil)
	}
	m.brand.want(403, "forbidden", "PUT", m.stock(m.sizes[0]), units(30))
	later["opens_at"] = nil
	m.brand.want(403, "forbidden", "PUT", m.drop(pending), later)
	m.visitor.want(201, "", "PUT", "/holds/"+newHold(), map[string]any{"show": m.show, "variant": m.sizes[0], "quantity": 1})
	if r := m.brand.want(200, "", "GET", "/shows/supplied", nil); len(r.body["shows"].([]any)) != 0 {
		t.Errorf("%s", r.raw)
	}
	m.creator.want(200, "", "PUT", m.drop(pending), later) // the creator decides about their show
}

func TestBrandsOfAShow(t *testing.T) {
	m := newMarket(t)
	path := "/shows/" + m.show + "/brands"
	invite := func(email string) map[string]any { return map[string]any{"email": email} }
	r := m.creator.want(200, "", "PUT", path, invite("ponte@example.com"))
	list := r.body["brands"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["email"] != "ponte@example.com" || list[0].(map[string]any)["id"] != m.ponte {
		t.Fatalf("%s", r.raw)
	}
	m.signUp("vic", "viewer")
	m.creator.want(404, "brand_unknown", "PUT", path, invite("vic@example.com"))
	m.creator.want(404, "brand_unknown", "PUT", path, invite("nobody@example.com"))
	m.creator.want(422, "email_invalid", "PUT", path, invite("nobody"))
	m.rival.want(403, "forbidden", "PUT", path, invite("rival@example.com"))
	m.rival.want(403, "forbidden", "DELETE", path+"/"+m.ponte, nil)
	m.visitor.want(401, "signed_out", "GET", path, nil)
	both, _ := m.signUp("both", "creator", "brand")
	mine := both.newShow()
	both.want(409, "brand_is_creator", "PUT", "/shows/"+mine+"/brands", invite("both@example.com"))

	_, err := m.pool.Exec(t.Context(), `
		with a as (insert into account (id, email, name, roles, password_hash)
			select gen_random_uuid(), n || '@brands.example', 'B', '{brand}', '-' from generate_series(1, $2::int) n returning id)
		insert into show_brand (show, account) select $1, id from a`, showID(t, m.show), show.MaxBrands-2)
	if err != nil {
		t.Fatal(err)
	}
	m.creator.want(200, "", "PUT", path, invite("both@example.com"))
	m.creator.want(409, "too_many_brands", "PUT", path, invite("rival@example.com"))
	if r := m.creator.want(200, "", "PUT", path, invite("ponte@example.com")); len(r.body["brands"].([]any)) != show.MaxBrands {
		t.Errorf("%s", r.raw)
	}
	// The show is among what the brand may stock; for its creator too, until it ends.
	for _, b := range []*browser{m.brand, m.creator} {
		r := b.want(200, "", "GET", "/shows/supplied", nil)
		if got := r.body["shows"].([]any); len(got) != 1 || got[0].(map[string]any)["id"] != m.show {
			t.Errorf("%s", r.raw)
		}
	}
	m.creator.want(200, "", "POST", "/shows/"+m.show+"/end", nil)
	if r := m.brand.want(200, "", "GET", "/shows/supplied", nil); len(r.body["shows"].([]any)) != 0 {
		t.Errorf("%s", r.raw)
	}
}

func showID(t *testing.T, s string) commerce.ShowID {
	t.Helper()
	id, err := commerce.Parse[commerce.ShowID](s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestProductsOfABrand(t *testing.T) {
	m := newMarket(t)
	path := "/products/" + m.wok
	r := m.brand.want(200, "", "GET", path, nil)
	variants := r.body["variants"].([]any)
	if len(variants) != 2 || variants[1].(map[string]any)["title"] != "24 cm" || r.body["image"] != catalog.PictureBase+"pan.svg" {
		t.Fatalf("%s", r.raw)
	}
	for _, member := range []string{"pool", "left", "on_hand", "flash", "opens_at"} {
		if _, ok := variants[0].(map[string]any)[member]; ok {
			t.Errorf("%s belongs to a show: %s", member, r.raw)
		}
	}
	if again := m.brand.want(200, "", "PUT", path, m.goods(5900, 6900)); !bytes.Equal(again.raw, r.raw) {
		t.Errorf("the same again: %s", again.raw)
	}
	m.rival.want(403, "forbidden", "GET", path, nil)
	m.rival.want(403, "forbidden", "PUT", path, m.goods(1, 1))
	m.visitor.want(401, "signed_out", "GET", path, nil)
	m.visitor.want(401, "signed_out", "PUT", path, m.goods(1, 1))
	vic, _ := m.signUp("vic", "viewer")
	vic.want(403, "not_brand", "PUT", "/products/"+newProduct(), m.goods(1, 1))
	m.brand.want(404, "product_unknown", "GET", "/products/"+newProduct(), nil)
	m.brand.want(422, "cursor_invalid", "GET", "/products/mine?cursor=x", nil)
	for code, change := range map[string]func(map[string]any, []map[string]any){
		"title_invalid":         func(b map[string]any, _ []map[string]any) { b["title"] = "" },
		"variant_title_invalid": func(_ map[string]any, v []map[string]any) { v[0]["title"] = v[1]["title"] },
		"price_invalid": func(_ map[string]any, v []map[string]any) {
			v[0]["price"] = map[string]any{"amount": 0, "currency": "EUR"}
		},
		"image_invalid":    func(b map[string]any, _ []map[string]any) { b["image"] = "//evil.example/x.png" },
		"variants_invalid": func(b map[string]any, _ []map[string]any) { b["variants"] = []any{} },
	} {
		body := m.goods(5900, 6900)
		change(body, body["variants"].([]map[string]any))
		m.brand.want(422, code, "PUT", path, body)
	}
	// The largest that is allowed, every character in its longest spelling.
	long := make([]string, 0, catalog.MaxVariants)
	for i := range catalog.MaxVariants {
		long = append(long, fmt.Sprintf(`{"id":%q,"title":"%02d%s","price":{"amount":100,"currency":"EUR"}}`, newVariant(), i, strings.Repeat(`\ud83c\udf73`, catalog.MaxVariantTitle-2)))
	}
	m.brand.want(201, "", "PUT", "/products/"+newProduct(), `{"title":"Eggs","description":"`+strings.Repeat(`\ud83c\udf73`, catalog.MaxDescription)+`","variants":[`+strings.Join(long, ",")+`]}`)
	long = append(long, strings.Replace(long[0], "var_", "var_", 1))
	m.brand.want(409, "too_many_variants", "PUT", "/products/"+newProduct(), `{"title":"Eggs","variants":[`+strings.Join(long, ",")+`]}`)

	r = m.brand.want(200, "", "GET", "/products/mine", nil)
	if list := r.body["products"].([]any); len(list) != 2 || list[1].(map[string]any)["id"] != m.wok || r.body["next"] != nil {
		t.Errorf("%s", r.raw)
	}
	if r := m.creator.want(200, "", "GET", "/products/mine", nil); len(r.body["products"].([]any)) != 1 {
		t.Errorf("%s", r.raw)
	}
}

// A price that its brand changes counts at once wherever it is sold, and every open show says so.
func TestBrandChangesAPrice(t *testing.T) {
	m := newMarket(t)
	second := m.creator.newShow()
	m.creator.want(200, "", "PUT", "/shows/"+second+"/brands", map[string]any{"email": "ponte@example.com"})
	for _, id := range []string{m.show, second} {
		m.brand.want(200, "", "PUT", "/shows/"+id+"/stock/"+m.sizes[0], units(5))
	}
	told := func() int { return m.outbox(`payload->>'t' = 'price.set' and payload->>'k' = $1`, m.sizes[0]) }
	tap := func(id string) map[string]any {
		return map[string]any{"show": id, "variant": m.sizes[0], "quantity": 1}
	}
	m.visitor.want(201, "", "PUT", "/holds/"+newHold(), tap(m.show)) // this node knows the old offer now
	before := told()
	m.brand.want(200, "", "PUT", "/products/"+m.wok, m.goods(4900, 6900))
	if n := told(); n != before+2 {
		t.Errorf("%d price events, want two more than %d", n, before)
	}
	for _, id := range []string{m.show, second} {
		r := m.visitor.want(201, "", "PUT", "/holds/"+newHold(), tap(id))
		if unit := r.body["unit"].(map[string]any); unit["amount"] != 4900.0 {
			t.Errorf("held at an old price: %s", r.raw)
		}
	}
	m.brand.want(200, "", "PUT", "/products/"+m.wok, m.goods(4900, 6900))
	if n := told(); n != before+2 {
		t.Errorf("nothing changed, and it was told: %d events", n)
	}
}

func TestUploads(t *testing.T) {
	m := newMarket(t)
	upload := func(b *browser, raw []byte) reply {
		b.header.Set("Content-Type", "text/html") // whatever it says: the bytes decide
		b.header.Set("Idempotency-Key", newHold())
		defer func() { b.header = http.Header{} }()
		return b.do("POST", "/pictures", string(raw))
	}
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewGray(image.Rect(0, 0, 2, 3))); err != nil {
		t.Fatal(err)
	}
	first, again := upload(m.brand, small.Bytes()), upload(m.creator, small.Bytes())
	path, _ := first.body["image"].(string)
	if first.status != 201 || again.status != 201 || path == "" || again.body["image"] != path {
		t.Fatalf("%d %s, %d %s", first.status, first.raw, again.status, again.raw)
	}
	r := m.visitor.want(200, "", "GET", strings.TrimPrefix(path, "/api/v1"), nil)
	for header, want := range map[string]string{
		"Content-Type": "image/png", "Cache-Control": "public, max-age=31536000, immutable",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox",
	} {
		if got := r.header.Get(header); got != want {
			t.Errorf("%s %q, want %q", header, got, want)
		}
	}
	if !bytes.Equal(r.raw, small.Bytes()) {
		t.Error("other bytes came back")
	}
	body := m.goods(5900, 6900)
	body["image"] = path
	m.brand.want(200, "", "PUT", "/products/"+m.wok, body)
	largest := slices.Concat(small.Bytes(), make([]byte, catalog.MaxPicture-small.Len()))
	vic, _ := m.signUp("vic", "viewer")
	for name, c := range map[string]struct {
		by     *browser
		raw    []byte
		status int
		code   string
	}{
		"as large as may be":         {m.brand, largest, 201, ""},
		"one byte more":              {m.brand, append(largest, 0), 413, "body_too_large"},
		"a script in a drawing":      {m.brand, []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), 422, "picture_invalid"},
		"a viewer":                   {vic, small.Bytes(), 403, "not_brand"},
		"somebody who is signed out": {m.visitor, small.Bytes(), 401, "signed_out"},
	} {
		r := upload(c.by, c.raw)
		if code, _ := r.body["code"].(string); r.status != c.status || code != c.code {
			t.Errorf("%s: %d %s", name, r.status, r.raw)
		}
	}
	m.visitor.want(404, "not_found", "GET", "/pictures/"+strings.Repeat("0", 64)+".png", nil)
	m.visitor.want(404, "not_found", "GET", "/pictures/%ff%00.png", nil)
}

func TestDrops(t *testing.T) {
	m := newMarket(t)
	id, at := newDrop(), time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	when := func(at any) map[string]any { return map[string]any{"variant": m.sizes[0], "opens_at": at} }
	m.brand.want(409, "product_not_listed", "PUT", m.drop(id), when(at))
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(0)) // listed before anything can be bought
	r := m.brand.want(200, "", "PUT", m.drop(id), when(at))
	if r.body["id"] != id || r.body["show"] != m.show || r.body["variant"] != m.sizes[0] || r.body["opens_at"] != at.Format(time.RFC3339Nano) {
		t.Fatalf("%s", r.raw)
	}
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(3))
	if _, v := m.listed(m.sizes[0]); v["opens_at"] != r.body["opens_at"] || v["left"] != 3.0 {
		t.Errorf("%v", v)
	}
	if _, other := m.listed(m.variant.String()); other["opens_at"] != nil {
		t.Errorf("%v", other)
	}
	tap := map[string]any{"show": m.show, "variant": m.sizes[0], "quantity": 1}
	m.visitor.want(409, "not_open", "PUT", "/holds/"+newHold(), tap)
	if again := m.brand.want(200, "", "PUT", m.drop(id), when(at)); !bytes.Equal(again.raw, r.raw) {
		t.Errorf("the same again: %s", again.raw)
	}
	if n := m.outbox(`payload->>'t' = 'drop.set'`); n != 1 {
		t.Errorf("%d events for one", n)
	}
	m.creator.want(200, "", "PUT", m.drop(id), when(at.Add(time.Hour))) // it is the creator's show
	m.brand.want(409, "drop_conflict", "PUT", m.drop(newDrop()), when(at))
	m.brand.want(409, "product_not_listed", "PUT", m.drop(newDrop()), map[string]any{"variant": newVariant(), "opens_at": at})
	m.brand.want(409, "product_not_listed", "PUT", m.drop(newDrop()), map[string]any{"variant": m.sizes[1], "opens_at": at})
	m.brand.want(403, "forbidden", "PUT", m.drop(newDrop()), map[string]any{"variant": m.variant, "opens_at": at}) // the creator's product
	m.creator.want(409, "drop_conflict", "PUT", m.drop(id), map[string]any{"variant": m.variant, "opens_at": at})
	m.rival.want(403, "forbidden", "PUT", m.drop(id), when(at))
	m.visitor.want(401, "signed_out", "PUT", m.drop(id), when(at))
	m.brand.want(422, "drop_time_invalid", "PUT", m.drop(id), when(time.Now().Add(-time.Second)))
	m.brand.want(422, "drop_time_invalid", "PUT", m.drop(id), when(time.Now().Add(drop.MaxAhead+time.Minute)))
	m.brand.want(422, "invalid", "PUT", m.drop(id), map[string]any{"variant": m.sizes[0]})

	r = m.brand.want(200, "", "PUT", m.drop(id), when(nil))
	if r.body["opens_at"] != nil {
		t.Errorf("%s", r.raw)
	}
	m.visitor.want(201, "", "PUT", "/holds/"+newHold(), tap)
	m.brand.want(409, "drop_open", "PUT", m.drop(id), when(at))
	m.brand.want(200, "", "PUT", m.drop(id), when(nil))
	m.brand.want(200, "", "PUT", m.drop(newDrop()), when(at)) // a second batch
	m.visitor.want(409, "not_open", "PUT", "/holds/"+newHold(), tap)
}

// The creator takes off what a brand has put on sale: nobody buys it any more, also not what comes back from a hold,
// and what is held is paid. Its brand may put it there again.
func TestProductTakenOff(t *testing.T) {
	m := newMarket(t)
	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(3))
	m.creator.want(204, "", "PUT", "/shows/"+m.show+"/pin", map[string]any{"product": m.wok})
	hold, other, tap := newHold(), newHold(), map[string]any{"show": m.show, "variant": m.sizes[0], "quantity": 1}
	m.visitor.want(201, "", "PUT", "/holds/"+hold, tap)
	m.visitor.want(201, "", "PUT", "/holds/"+other, tap)
	path := "/shows/" + m.show + "/products/" + m.wok
	m.brand.want(403, "forbidden", "DELETE", path, nil)
	m.visitor.want(401, "signed_out", "DELETE", path, nil)
	m.creator.want(404, "product_unknown", "DELETE", "/shows/"+m.show+"/products/"+newProduct(), nil)
	told := func() int {
		return m.outbox(`lane = 'event' and payload->>'t' in ('catalog.set', 'pin.set') and payload->'d'->>'product' is null`)
	}
	before := told()
	for range 2 {
		m.creator.want(204, "", "DELETE", path, nil)
	}
	if n := told(); n != before+2 {
		t.Errorf("%d events, want two more than %d", n, before)
	}
	if n := m.outbox(`payload->>'t' = 'stock.set' and payload->'d'->>'left' = '0' and payload->'d'->>'variant' = '` + m.sizes[0] + `'`); n == 0 {
		t.Error("the audience was not told that nothing is left")
	}
	if p, _ := m.listed(m.sizes[0]); p != nil {
		t.Errorf("still listed: %v", p)
	}
	m.creator.want(409, "product_not_listed", "PUT", "/shows/"+m.show+"/pin", map[string]any{"product": m.wok})
	m.brand.want(409, "product_not_listed", "PUT", m.drop(newDrop()), map[string]any{"variant": m.sizes[0], "opens_at": time.Now().Add(time.Hour)})
	m.visitor.want(409, "closed", "PUT", "/holds/"+newHold(), tap)
	m.visitor.want(204, "", "DELETE", "/holds/"+other, nil)
	m.visitor.want(409, "closed", "PUT", "/holds/"+newHold(), tap)
	m.visitor.want(201, "", "PUT", "/orders/"+newOrder(), pay(hold, "4242424242424242"))

	m.brand.want(200, "", "PUT", m.stock(m.sizes[0]), units(2)) // one of them is sold
	m.visitor.want(201, "", "PUT", "/holds/"+newHold(), tap)
	m.visitor.want(409, "sold_out", "PUT", "/holds/"+newHold(), tap)
	m.creator.want(200, "", "POST", "/shows/"+m.show+"/end", nil)
	m.creator.want(409, "show_ended", "DELETE", path, nil)
}
