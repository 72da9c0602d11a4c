package chaos

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// short are the cells of `make test`: a crash, a lost reply and a fault of each store among them.
var short = []string{"3/redis-flushed", "14/postgres-killed", "19/calm"}

// program builds one that can be killed where it hurts.
func program(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "rialto")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "crashpoints", "-o", bin, "github.com/rialto-live/rialto/cmd/rialto")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return bin
}

// The long one is `make chaos`.
func TestChaosInShort(t *testing.T) {
	said := &bytes.Buffer{}
	o := Options{Seed: 1, Buyers: 24, Program: program(t), Progress: said, load: 3 * time.Second}.withDefaults()
	dir, err := os.MkdirTemp("", "rialto-chaos-")
	if err != nil {
		t.Fatal(err)
	}
	w, err := openWorld(t.Context(), o, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range short {
		at, err := named(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.cell(t.Context(), at.of(o.Seed))
		if err != nil {
			t.Fatal(err)
		}
		all := newResult(o)
		all.add(r, r.Took)
		r.tell(said, i+1, all)
		if r.Attempts < 100 || len(r.Breaches) > 0 {
			t.Errorf("%s: %d attempts, %+v", name, r.Attempts, r.Breaches)
		}
		if counts := r.history.counts; counts[kindHTTP] == 0 || counts[kindSocket] == 0 || counts[kindPay] == 0 || counts[kindAfter] == 0 {
			t.Errorf("%s: %v", name, counts)
		}
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("data is kept in %s\n%s", dir, said)
		return
	}
	t.Log(said)
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}

func TestResultsAreToldInWordsAndAsOneObject(t *testing.T) {
	s := newScene()
	found := []breach{{promise: neverOversold, words: "one too many"}, {promise: noHoldLost, hold: s.holds[0], words: "gone"}}
	one := report{Cell: "14/redis-killed", Attempts: 6, Breaches: found, Took: time.Second, plan: plan{place: "checkout.confirmed", pass: 3}, history: s.history}
	all := newResult(Options{Seed: 9})
	all.add(one, time.Second)
	if all.OK = len(all.breaches) == 0; all.OK || all.Broken[string(neverOversold)] != 1 || all.Attempts != 6 || all.Places != 1 {
		t.Errorf("%+v", all)
	}
	var out bytes.Buffer
	one.tell(&out, 1, all)
	for _, want := range []string{"14/redis-killed", "checkout.confirmed:3, where it never came", "BROKEN oversold: one too many", "buyer 0 taps"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	out.Reset()
	if err := all.Print(&out, false); err != nil || !strings.Contains(out.String(), "seed 9") || strings.Contains(out.String(), "every promise held") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	out.Reset()
	var again Result
	if err := all.Print(&out, true); err != nil || json.Unmarshal(out.Bytes(), &again) != nil || again.Broken[string(noHoldLost)] != 1 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v: %s", err, out.String())
	}
	good := newResult(Options{})
	good.OK = true
	out.Reset()
	if err := good.Print(&out, false); err != nil || !strings.Contains(out.String(), "every promise held") {
		t.Errorf("%v:\n%s", err, out.String())
	}
}
