package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/api"
	"github.com/rialto-live/rialto/commerce/checkout"
	"github.com/rialto-live/rialto/commerce/money"
	"github.com/rialto-live/rialto/commerce/stock"
)

// carefully is a browser whose taps go the way of all requests: it takes JSON, and says so in a way of its own.
func (w *shop) carefully() *browser {
	b := w.browser()
	b.header.Set("Accept", "application/json, text/plain;q=0.5")
	return b
}

// told is an answer without what is new each time.
func told(r reply) string {
	header := []string{}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		switch name {
		case "Date", "X-Request-Id":
		case "Set-Cookie":
			cookie, rest, _ := strings.Cut(r.header.Get(name), "=")
			_, rest, _ = strings.Cut(rest, ";")
			header = append(header, cookie+rest)
		case "Content-Length":
			header = append(header, fmt.Sprint(name, " ", r.header.Get(name) == fmt.Sprint(len(r.raw))))
		default:
			header = append(header, name+" "+r.header.Get(name))
		}
	}
	for _, fresh := range []string{"id", "hold", "expires_at", "left_ms"} {
		if _, has := r.body[fresh]; has {
			r.body[fresh] = "new"
		}
	}
	body, err := json.Marshal(r.body)
	return fmt.Sprintf("%d %v %s %v", r.status, header, body, err)
}

// Whoever writes a tap as pages do, and whoever writes it in another way, is told the same: status, headers and words.
func TestQuickTapsAreToldTheSame(t *testing.T) {
	w := newShop(t, 3*checkout.DefaultCap+1)
	quick, careful := w.browser(), w.carefully()
	with := func(change func(map[string]any)) map[string]any {
		tap := w.hold(1)
		change(tap)
		return tap
	}
	gone := map[*browser]string{}
	for _, step := range []struct {
		name string
		tap  any
		path func(b *browser) string
		want string
	}{
		{"the first, of a new guest", w.hold(checkout.DefaultCap - 1), func(b *browser) string { gone[b] = newHold(); return gone[b] }, "201"},
		{"repeated", w.hold(checkout.DefaultCap - 1), func(b *browser) string { return gone[b] }, "200"},
		{"the same id for something else", w.hold(1), func(b *browser) string { return gone[b] }, "hold_conflict"},
		{"at the price shown", with(func(tap map[string]any) { tap["unit"] = 4900 }), nil, "201"},
		{"past the limit of a buyer", w.hold(1), nil, "limit_reached"},
		{"another price", with(func(tap map[string]any) { tap["unit"] = 4800 }), nil, "price_changed"},
		{"nothing", w.hold(0), nil, "quantity_invalid"},
		{"less than nothing", w.hold(-1), nil, "quantity_invalid"},
		{"a strange thing", with(func(tap map[string]any) { tap["variant"] = commerce.NewID[commerce.VariantID]() }), nil, "product_unknown"},
		{"a show where something else stands", with(func(tap map[string]any) { tap["show"] = w.variant }), nil, "invalid"},
		{"without a quantity", with(func(tap map[string]any) { delete(tap, "quantity") }), nil, "invalid"},
		{"with something more", with(func(tap map[string]any) { tap["hold"] = newHold() }), nil, "invalid"},
		{"a quantity in words", with(func(tap map[string]any) { tap["quantity"] = "one" }), nil, "invalid"},
		{"no JSON", "{", nil, "malformed"},
		{"a hold of no kind", w.hold(1), func(*browser) string { return "hld_nonsense" }, "invalid"},
		{"too large", strings.Repeat(" ", 4<<10) + "{}", nil, "body_too_large"},
	} {
		answers := map[*browser]string{}
		for _, b := range []*browser{quick, careful} {
			hold := newHold()
			if step.path != nil {
				hold = step.path(b)
			}
			answers[b] = told(b.do(http.MethodPut, "/holds/"+hold, step.tap))
		}
		if answers[quick] != answers[careful] || !strings.Contains(answers[quick], step.want) {
			t.Errorf("%s: want %s\nquick   %s\ncareful %s", step.name, step.want, answers[quick], answers[careful])
		}
	}
	w.browser().want(201, "", "PUT", "/holds/"+newHold(), w.hold(checkout.DefaultCap))
	a, b := w.browser(), w.carefully()
	if one, other := told(a.do("PUT", "/holds/"+newHold(), w.hold(2))), told(b.do("PUT", "/holds/"+newHold(), w.hold(2))); one != other || !strings.Contains(one, "sold_out") {
		t.Errorf("sold out:\nquick   %s\ncareful %s", one, other)
	}
}

// What is counted per address is counted of quick taps, too.
func TestQuickTapsAreLimited(t *testing.T) {
	w := newShop(t, 1)
	b := w.browser()
	b.want(201, "", "PUT", "/holds/"+newHold(), w.hold(1))
	for n := 1; ; n++ {
		r := b.do("PUT", "/holds/"+newHold(), w.hold(1))
		if r.status == http.StatusTooManyRequests {
			if r.body["code"] != "too_many_attempts" || r.header.Get("Retry-After") == "" || n < 50 {
				t.Errorf("tap %d: %s", n, r.raw)
			}
			return
		}
		if r.body["code"] != "sold_out" || n > 10_000 {
			t.Fatalf("tap %d: %s", n, r.raw)
		}
	}
}

// Which requests are answered quickly: those of pages, and of a plain client.
func TestWhichTapsAreQuick(t *testing.T) {
	w := newShop(t, 100)
	whole := fmt.Sprintf(`{"show":%q,"variant":%q,"quantity":1}`, w.show, w.variant)
	for name, c := range map[string]struct {
		want   bool
		change func(r *http.Request)
	}{
		"a plain client": {true, func(*http.Request) {}},
		"a page":         {true, func(r *http.Request) { r.Header.Set("Accept", "*/*") }},
		"another method": {false, func(r *http.Request) { r.Method = http.MethodPost }},
		"a question":     {false, func(r *http.Request) { r.URL.RawQuery = "a=b" }},
		"an escape":      {false, func(r *http.Request) { r.URL.RawPath = r.URL.Path + "%20" }},
		"another form":   {false, func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }},
		"another wish":   {false, func(r *http.Request) { r.Header.Set("Accept", "text/html") }},
		"two wishes":     {false, func(r *http.Request) { r.Header["Accept"] = []string{"*/*", "text/html"} }},
		"in pieces":      {false, func(r *http.Request) { r.ContentLength = -1 }},
		"cut short":      {false, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(whole[:40])) }},
	} {
		r := httptest.NewRequest(http.MethodPut, api.Base+"/holds/"+newHold(), strings.NewReader(whole))
		r.Header.Set("Content-Type", "application/json")
		c.change(r)
		rest := r.Body
		answered := httptest.NewRecorder()
		got := w.api.Quick(answered, r)
		if got != c.want || got != (answered.Code == http.StatusCreated && answered.Body.Len() > 0) {
			t.Errorf("%s: %v, %d %s", name, got, answered.Code, answered.Body)
		}
		if left, err := io.ReadAll(rest); name == "another form" && (err != nil || string(left) != whole) {
			t.Errorf("%s: the body was read: %q %v", name, left, err)
		}
	}
	// A body that was read in vain is there for whoever reads it next.
	odd := strings.Replace(whole, "1}", "1.0}", 1)
	r := httptest.NewRequest(http.MethodPut, api.Base+"/holds/"+newHold(), strings.NewReader(odd))
	r.Header.Set("Content-Type", "application/json")
	if w.api.Quick(httptest.NewRecorder(), r) {
		t.Error("a fraction was taken")
	}
}

// What was begun with a request, and goes on behind its back, finds its context as it was (a race otherwise).
func TestATapLeavesItsRequestAlone(t *testing.T) {
	w := newShop(t, 100)
	body := fmt.Sprintf(`{"show":%q,"variant":%q,"quantity":1}`, w.show, w.variant)
	r := httptest.NewRequest(http.MethodPut, api.Base+"/holds/"+newHold(), strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	var looking sync.WaitGroup
	stop := make(chan struct{})
	answered := httptest.NewRecorder()
	quick := w.api.QuickBeside(answered, r, func(ctx context.Context) {
		before := ctx.Done()
		looking.Go(func() {
			for ctx.Done() == before {
				select {
				case <-stop:
					return
				default:
				}
			}
			t.Error("its context is another one")
		})
	})
	close(stop)
	looking.Wait()
	if !quick || answered.Code != http.StatusCreated {
		t.Errorf("%v, %d %s", quick, answered.Code, answered.Body)
	}
}

func TestHoldsAreWrittenAsJSON(t *testing.T) {
	if n := api.HoldMembers(); n != 13 {
		t.Errorf("a hold has %d members: draw the new one here", n)
	}
	rapid.Check(t, func(t *rapid.T) {
		h := checkout.Held{
			Hold: stock.Hold{
				ID: commerce.NewID[commerce.HoldID](), Show: commerce.NewID[commerce.ShowID](), Variant: commerce.NewID[commerce.VariantID](),
				Quantity: rapid.IntRange(1, 10).Draw(t, "quantity"), State: rapid.SampledFrom([]stock.State{stock.Held, stock.Paying, stock.Sold}).Draw(t, "state"),
				Unit: money.Amount{Minor: rapid.Int64().Draw(t, "unit"), Currency: "EUR"}, Left: time.Duration(rapid.Int64().Draw(t, "left")),
				Stands:  rapid.Bool().Draw(t, "stands"),
				Expires: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).UTC(),
			},
			Product: commerce.NewID[commerce.ProductID](), Title: rapid.String().Draw(t, "title"),
			Total: money.Amount{Minor: rapid.Int64().Draw(t, "total"), Currency: "JPY"},
		}
		for range rapid.IntRange(0, 2).Draw(t, "lines") {
			h.Lines = append(h.Lines, checkout.HeldLine{Hold: h.Hold, Product: h.Product, Title: rapid.String().Draw(t, "title of a line")})
		}
		quick, plain, err := api.HoldTexts(h)
		if err != nil || !bytes.Equal(quick, plain) {
			t.Fatalf("%v\n%s\n%s", err, quick, plain)
		}
	})
}

func TestProblemsAreWrittenAsJSON(t *testing.T) {
	p := &api.Problem{Type: "t", Title: "Conflict", Status: 409, Detail: `"quoted" <b> é`, Code: "sold_out",
		Extra:  map[string]any{"left": 3, "code": "another", "hold": commerce.NewID[commerce.HoldID]()},
		Errors: []api.FieldError{{Location: "body.quantity", Message: "x"}}}
	var got map[string]any
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	want := map[string]any{"type": "t", "title": "Conflict", "status": 409.0, "detail": p.Detail, "code": "sold_out", "left": 3.0, "hold": fmt.Sprint(p.Extra["hold"]),
		"errors": []any{map[string]any{"location": "body.quantity", "message": "x"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%s", err, text)
	}
}

// What is written once for all is what would be written for each.
func TestNothingLeft(t *testing.T) {
	text, written, members, err := api.NothingLeft()
	if err != nil || string(text) != string(written)+"\n" || string(members) != `{"left":0,"status":409}` {
		t.Errorf("%v\n%s%s\n%s", err, text, written, members)
	}
}

// Cookies are read as net/http reads them.
func TestCookies(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "ab", "b", "=", "; ", ";", " ", "x.y-z_9", "\"", "é", "\\", ",", "a=1", "a=2"})
	rapid.Check(t, func(t *rapid.T) {
		header := http.Header{}
		for range rapid.IntRange(0, 2).Draw(t, "lines") {
			header["Cookie"] = append(header["Cookie"], strings.Join(rapid.SliceOfN(piece, 0, 7).Draw(t, "line"), ""))
		}
		for _, name := range []string{"a", "ab"} {
			want, err := (&http.Request{Header: header}).Cookie(name)
			got, ok := api.Cookie(header, name)
			if ok != (err == nil) || ok && got != want.Value {
				t.Fatalf("%s of %q is %q, %v; by net/http %v, %v", name, header["Cookie"], got, ok, want, err)
			}
		}
	})
}

// Taps that come in one second are ended together, never later than each would be by itself.
func TestTapsEndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		within := api.Within()
		for range 3 {
			first, began := within(), time.Now()
			time.Sleep(999 * time.Millisecond)
			last := within()
			if first != last {
				t.Error("two taps of a second have two contexts")
			}
			if time.Sleep(time.Millisecond); within() == first {
				t.Error("one of the next second has the same")
			}
			<-last.Done()
			if took := time.Since(began); took != api.AnswerWithin || last.Err() == nil {
				t.Errorf("it ends after %s: %v", took, last.Err())
			}
		}
	})
}

// What is read quickly reads the same as JSON.
func FuzzReadTap(f *testing.F) {
	hold, variant := newHold(), commerce.NewID[commerce.VariantID]().String()
	for _, text := range []string{
		`{"hold":"` + hold + `","variant":"` + variant + `","quantity":2,"unit":4900}`, ` { "variant" : "` + variant + `" , "hold":"` + hold + `" } `,
		`{"hold":"` + hold + `","variant":"` + variant + `","quantity":1,"quantity":2}`, `{"hold":"` + hold + `","variant":"` + variant + `","show":"x"}`,
		`{"hold":"` + hold + `","variant":"` + variant + `","quantity":01}`, `{"hold":"` + hold + `","variant":"` + variant + `","quantity":9999999999999999}`,
		`{"hold":"` + hold + `","variant":"` + variant + `","unit":1}x`, `{}`, `{"hold"`, `[]`, ``, `{"hold":"` + hold + `","variant":"` + variant + `"`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quick, ok := api.ReadTap([]byte(text))
		if !ok {
			return
		}
		var plain api.HoldPut
		in := json.NewDecoder(strings.NewReader(text))
		in.DisallowUnknownFields()
		if err := in.Decode(&plain); err != nil || in.More() || !reflect.DeepEqual(quick, plain) {
			t.Errorf("%q reads %+v, as JSON %+v, %v", text, quick, plain, err)
		}
	})
}
