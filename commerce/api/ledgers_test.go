package api_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rialto-live/rialto/commerce"
	"github.com/rialto-live/rialto/commerce/chain"
	"github.com/rialto-live/rialto/commerce/stock"
)

// seal waits until everything that moved is in the public ledgers.
func (w *shop) seal() {
	w.t.Helper()
	s := &chain.Sealer{Pool: w.pool}
	for deadline := time.Now().Add(30 * time.Second); ; {
		var left int
		if err := w.pool.QueryRow(w.t.Context(), `select count(*) from unit_movement where id > coalesce((select max(movement) from unit_seal), 0)`).Scan(&left); err != nil || time.Now().After(deadline) {
			w.t.Fatalf("%d movements are not sealed, %v", left, err)
		}
		if left == 0 {
			return
		}
		if err := s.Look(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func number(t *testing.T, of any, path ...string) float64 {
	t.Helper()
	n, ok := at(of, path...).(float64)
	if !ok {
		t.Fatalf("no number at %v of %v", path, of)
	}
	return n
}

// Everybody can read where the units of a show went, and nobody whose they are; the file is right by itself.
func TestPublicLedger(t *testing.T) {
	w := newShop(t, 5)
	stranger, guest := w.browser(), w.browser()
	path := "/shows/" + w.show + "/ledgers/" + w.variant.String()
	r := stranger.want(200, "", "GET", path, nil)
	if number(t, r.body, "ledger", "n") != 0 || len(r.body["rows"].([]any)) != 0 || r.body["next"] != nil {
		t.Errorf("before anything is sealed: %s", r.raw)
	}
	sold, held := newHold(), newHold()
	guest.want(201, "", "PUT", "/holds/"+sold, w.hold(2))
	guest.want(201, "", "PUT", "/orders/"+newOrder(), pay(sold, "4242424242424242"))
	guest.want(201, "", "PUT", "/holds/"+held, w.hold(1))
	w.seal()

	r = stranger.want(200, "", "GET", path, nil)
	for member, want := range map[string]float64{"n": 5, "allocated": 5, "available": 2, "held": 1, "paying": 0, "sold": 2} {
		if got := number(t, r.body, "ledger", member); got != want {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
	}
	var kinds []string
	for _, row := range r.body["rows"].([]any) {
		kinds = append(kinds, at(row, "kind").(string))
	}
	if !slices.Equal(kinds, []string{"hold", "sell", "pay", "hold", "supply"}) || at(r.body, "ledger", "hash") != at(r.body["rows"].([]any)[0], "hash") ||
		at(r.body, "ledger", "product") != "Copper pan 28 cm" {
		t.Errorf("%v: %s", kinds, r.raw)
	}
	file := stranger.want(200, "", "GET", path+"/file", nil)
	if kind, name := file.header.Get("Content-Type"), file.header.Get("Content-Disposition"); kind != "application/jsonl" ||
		name != `attachment; filename="stock-ledger-`+at(r.body, "ledger", "pool").(string)+`.jsonl"` || file.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a file of %s, %s, %v", kind, name, file.header)
	}
	id, err := commerce.Parse[commerce.HoldID](sold)
	if err != nil {
		t.Fatal(err)
	}
	report, err := chain.Check(t.Context(), bytes.NewReader(file.raw), id)
	if err != nil || report.N != 5 || report.Hash.String() != at(r.body, "ledger", "hash") || len(report.Found) != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	for _, secret := range []string{sold, held, "gst_", "vic@example.com"} {
		if strings.Contains(string(r.raw), secret) || strings.Contains(string(file.raw), secret) {
			t.Errorf("%s is public", secret)
		}
	}
	// A product that is taken off keeps its ledger.
	w.creator.want(204, "", "DELETE", w.path(), nil)
	w.seal()
	r = stranger.want(200, "", "GET", "/shows/"+w.show+"/ledgers", nil)
	if all := r.body["ledgers"].([]any); len(all) != 1 || number(t, all[0], "allocated") != number(t, all[0], "held")+number(t, all[0], "sold") {
		t.Errorf("%s", r.raw)
	}
	stranger.want(404, "show_unknown", "GET", "/shows/"+commerce.NewID[commerce.ShowID]().String()+"/ledgers", nil)
	unknown := "/shows/" + w.show + "/ledgers/" + newVariant()
	stranger.want(404, "ledger_unknown", "GET", unknown, nil)
	stranger.want(404, "ledger_unknown", "GET", unknown+"/file", nil)
	stranger.want(422, "cursor_invalid", "GET", path+"?cursor=x", nil)
}

func TestLedgersComeInPages(t *testing.T) {
	w := newShop(t, stock.MaxOnHand)
	path := "/shows/" + w.show + "/ledgers/" + w.variant.String()
	if _, err := w.pool.Exec(t.Context(), `insert into unit_movement (pool, origin, target, kind, units) select id, 'supply', 'available', 'edit', 1 from pool, generate_series(1, $1::int)`, chain.PageSize); err != nil {
		t.Fatal(err)
	}
	w.seal()
	first := w.creator.want(200, "", "GET", path, nil)
	next, _ := first.body["next"].(string)
	second := w.creator.want(200, "", "GET", path+"?cursor="+next, nil)
	if len(first.body["rows"].([]any)) != chain.PageSize || len(second.body["rows"].([]any)) != 1 || second.body["next"] != nil {
		t.Errorf("%d and %d rows", len(first.body["rows"].([]any)), len(second.body["rows"].([]any)))
	}
	w.creator.want(422, "cursor_invalid", "GET", "/shows?cursor="+next, nil)
}

// A file is more work than other answers: one address gets so many, then has to wait.
func TestLedgerFilesAreLimited(t *testing.T) {
	w := newShop(t, 1)
	path := "/shows/" + w.show + "/ledgers/" + w.variant.String() + "/file"
	for n := 0; ; n++ {
		if r := w.creator.do("GET", path, nil); r.status == 429 {
			r.checkProblem(t)
			return
		} else if r.status != 200 || n > 100 {
			t.Fatalf("%d after %d files", r.status, n)
		}
	}
}

// A word that the database may have and the document lacks would make a whole page unreadable.
func TestWordsOfTheLedgerAreDescribed(t *testing.T) {
	doc, _ := document(t)
	for member, words := range map[string][]string{"kind": chain.Kinds, "origin": chain.Buckets, "target": chain.Buckets} {
		var got []string
		for _, one := range at(doc, "components", "schemas", "ChainRow", "properties", member, "enum").([]any) {
			got = append(got, one.(string))
		}
		if !slices.Equal(got, words) {
			t.Errorf("%s is one of %v, in the document of %v", member, words, got)
		}
	}
}
