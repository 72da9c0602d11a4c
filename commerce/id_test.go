package commerce_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rialto-live/rialto/cmd/rialto/embedded/embeddedtest"
	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/schema/schematest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func TestIDText(t *testing.T) {
	const hex = "0123456789abcdef0123456789abcdef"
	for text, ok := range map[string]bool{
		"shw_" + hex:                               true,
		"shw_" + hex[:31]:                          false, // one short
		"shw_" + hex + "0":                         false, // one long
		"hld_" + hex:                               false, // another kind
		"SHW_" + hex:                               false,
		"shw_" + strings.ToUpper(hex):              false, // one spelling only
		"shw_" + strings.Repeat("0", 32):           false, // none
		"shw_" + hex[:31] + "g":                    false,
		"shw_01234567-89ab-cdef-0123-456789abcdef": false,
		"":                                     false,
		"shw_":                                 false,
		strings.Repeat("x", commerce.IDLength): false,
	} {
		id, err := commerce.Parse[commerce.ShowID](text)
		if ok != (err == nil) || ok && id.String() != text || !ok && !errors.Is(err, commerce.ErrID) {
			t.Errorf("Parse(%q) = %v, %v; want ok %v", text, id, err, ok)
		}
	}
}

func TestIDRoundTrips(t *testing.T) {
	pool := schematest.Pool(t)
	rapid.Check(t, func(rt *rapid.T) {
		var id commerce.OrderID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "bytes"))
		if id.IsZero() {
			id[0] = 1 // none has no text
		}
		raw, err := json.Marshal(map[string]any{"id": id, "may": &id})
		if err != nil {
			rt.Fatal(err)
		}
		var back struct {
			ID  commerce.OrderID
			May *commerce.OrderID
		}
		if err := json.Unmarshal(raw, &back); err != nil || back.ID != id || *back.May != id {
			rt.Fatalf("JSON %s: %+v, %v", raw, back, err)
		}
		var one, same commerce.OrderID
		var many []commerce.OrderID
		err = pool.QueryRow(t.Context(), `select $1::uuid, $2::uuid[], $1::uuid::text::uuid`, id, []commerce.OrderID{id, id}).Scan(&one, &many, &same)
		if err != nil || one != id || same != id || len(many) != 2 || many[1] != id {
			rt.Fatalf("Postgres: %v, %v, %v", one, many, err)
		}
	})
}

func TestNone(t *testing.T) {
	pool := schematest.Pool(t)
	var none commerce.ShowID
	if _, err := json.Marshal(none); !errors.Is(err, commerce.ErrID) {
		t.Errorf("none became JSON: %v", err)
	}
	var isNull bool
	back := commerce.NewID[commerce.ShowID]()
	var pointer *commerce.ShowID
	if err := pool.QueryRow(t.Context(), `select $1::uuid is null, null::uuid, null::uuid`, none).Scan(&isNull, &back, &pointer); err != nil {
		t.Fatal(err)
	}
	if !isNull || !back.IsZero() || pointer != nil || none.String() != "" {
		t.Errorf("null %v, back %v, pointer %v, text %q", isNull, back, pointer, none)
	}
	var in struct{ Show *commerce.ShowID }
	if err := json.Unmarshal([]byte(`{"Show":null}`), &in); err != nil || in.Show != nil {
		t.Errorf("null: %v, %v", in.Show, err)
	}
}

// An id tells what it points at: no two kinds begin alike.
func TestPrefixesDiffer(t *testing.T) {
	source, err := os.ReadFile("id.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, m := range regexp.MustCompile(`func \((\w+)Kind\) prefix\(\) string +\{ return "(.*)" \}`).FindAllStringSubmatch(string(source), -1) {
		kind, prefix := m[1], m[2]
		if other := kinds[prefix]; other != "" || !regexp.MustCompile(`^[a-z]{3}_$`).MatchString(prefix) {
			t.Errorf("the ids of %s begin with %q, those of %q too", kind, prefix, other)
		}
		kinds[prefix] = kind
	}
	if kinds["pol_"] != "pool" || kinds["pll_"] != "poll" || strings.Count(string(source), "Kind) prefix()") != len(kinds) {
		t.Errorf("found %v", kinds)
	}
}

func TestSubject(t *testing.T) {
	acc, gst := commerce.NewID[commerce.AccountID](), commerce.NewID[commerce.GuestID]()
	if a, g, err := commerce.ParseSubject(acc.String()); err != nil || a != acc || !g.IsZero() {
		t.Errorf("account: %v %v %v", a, g, err)
	}
	if a, g, err := commerce.ParseSubject(gst.String()); err != nil || g != gst || !a.IsZero() {
		t.Errorf("guest: %v %v %v", a, g, err)
	}
	for _, s := range []string{"", "acc_", commerce.NewID[commerce.ShowID]().String()} {
		if _, _, err := commerce.ParseSubject(s); !errors.Is(err, commerce.ErrID) {
			t.Errorf("%q is nobody: %v", s, err)
		}
	}
}
